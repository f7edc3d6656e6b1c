"""Every exception that this package raises of its own.

::

    RerankError
    ├── InvalidInputError (ValueError)       a query or a text that cannot be scored
    │   └── InvalidTextError                 … one text, by its index and the reason
    ├── ConfigurationError                   a setting that cannot work (top_n=0, unknown backend)
    │   └── CalibrationError                 … a calibration that cannot be read, or is another model's
    ├── DriftError                           a reference that cannot be read, or scores that moved away from it
    ├── MissingDependencyError (ImportError) a package that an extra installs
    ├── RetrievalError                       a first stage that failed, or gave no list of passages
    ├── ExportError                          an exported graph that is not the model it was made of
    ├── ModelLoadError                       a model that could not be found or read
    │   └── UnsupportedModelError            … or is no reranker that this backend can run
    └── ScoringError                         a backend failed while it scored
        ├── NonFiniteScoreError              … or gave NaN or infinity
        ├── OutOfMemoryError                 … or a single pair does not fit into memory
        └── ServerError                      … or a server did not answer, or not as it should

Each message is one line: what was wrong, with the value, and what to do.

`ConfigurationError` is no `ValueError` on purpose: pydantic would wrap it, and the adapters' users
would get a page of pydantic's own in place of the one line.
"""

from __future__ import annotations

__all__ = [
    "CalibrationError",
    "ConfigurationError",
    "DriftError",
    "ExportError",
    "InvalidInputError",
    "InvalidTextError",
    "MissingDependencyError",
    "ModelLoadError",
    "NonFiniteScoreError",
    "OutOfMemoryError",
    "RerankError",
    "RetrievalError",
    "ScoringError",
    "ServerError",
    "UnsupportedModelError",
]


class RerankError(Exception):
    """Base of all exceptions of this package."""


class InvalidInputError(RerankError, ValueError):
    """A query or a list of texts that cannot be scored."""


class InvalidTextError(InvalidInputError):
    """One text that cannot be scored.

    Attributes:
        index: Its place in the list of texts, from 0.
        reason: Why it cannot be scored.
    """

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(index, reason)
        self.index = index
        self.reason = reason

    def __str__(self) -> str:
        return f"texts[{self.index}] {self.reason}; convert it to str or leave it out"


class ConfigurationError(RerankError):
    """A setting that cannot work."""


class CalibrationError(ConfigurationError):
    """A calibration cannot be read, was made for another model, or does not reach what was asked."""


class DriftError(RerankError):
    """A drift reference cannot be read, or scores moved away from it further than it tolerates."""


class MissingDependencyError(RerankError, ImportError):
    """A package is missing; the message names the extra that installs it."""


class RetrievalError(RerankError):
    """A first stage that failed for a query, or gave something that is no list of passages."""


class ExportError(RerankError):
    """An exported graph does not give its model's scores; it was not kept."""


class ModelLoadError(RerankError):
    """A model could not be found or read."""


class UnsupportedModelError(ModelLoadError):
    """A model is no reranker, or none that the backend or the installed versions can run."""


class ScoringError(RerankError):
    """A backend failed while it scored, or answered with something that is no score."""


class NonFiniteScoreError(ScoringError):
    """A backend gave NaN or an infinity, which cannot be ranked."""


class OutOfMemoryError(ScoringError):
    """A single pair does not fit into the device's memory."""


class ServerError(ScoringError):
    """A server could not be reached, refused, or gave an answer that cannot be used.

    Attributes:
        url: What was asked, without credentials.
        reason: What happened; the server's own message is part of it.
        status: The HTTP status of the answer; `None` where there was none.
        retry_after: The seconds that the server asked to wait, if it did.
    """

    def __init__(
        self,
        url: str,
        reason: str,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(url, reason, status, retry_after)
        self.url = url
        self.reason = reason
        self.status = status
        self.retry_after = retry_after

    def __str__(self) -> str:
        answered = "" if self.status is None else f" answered {self.status}"
        return f"{self.url}{answered}: {self.reason}"
