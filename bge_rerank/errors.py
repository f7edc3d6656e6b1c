"""The exceptions that this package raises.

- `RerankError`
  - `InvalidInputError`, also a `ValueError`: a query or a text that cannot be scored
    - `InvalidTextError`: one text, with its index and the reason
  - `ConfigurationError`: an option that cannot work, such as `top_n=0` or an unknown backend
    - `CalibrationError`: a calibration that cannot be read, or is for another model
  - `DriftError`: a drift reference that cannot be read, or scores that drifted from it
  - `MissingDependencyError`, also an `ImportError`: a package that is not installed, or a version that does not work
  - `RetrievalError`: a first stage that failed, or did not return a list of passages
  - `ExportError`: an exported graph whose scores differ from its model's
  - `ModelLoadError`: a model that could not be found or read
    - `UnsupportedModelError`: a model that is not a reranker, or that the backend cannot run
  - `ScoringError`: a backend that failed while it scored
    - `NonFiniteScoreError`: a score that is NaN or infinite
    - `OutOfMemoryError`: a single pair that does not fit into memory
    - `ServerError`: a server that did not answer, or answered wrongly

Each message is one line. It names the wrong value and says what to do.

`ConfigurationError` deliberately does not derive from `ValueError`. Pydantic would wrap a `ValueError`, and
users of the adapters would see a page of pydantic's text instead of the one line.
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
    """The base of all exceptions of this package."""


class InvalidInputError(RerankError, ValueError):
    """A query or a list of texts that cannot be scored."""


class InvalidTextError(InvalidInputError):
    """A text that cannot be scored.

    Attributes:
        index: The text's index in the list, from 0.
        reason: Why it cannot be scored.
    """

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(index, reason)
        self.index = index
        self.reason = reason

    def __str__(self) -> str:
        return f"texts[{self.index}] {self.reason}; convert it to str or leave it out"


class ConfigurationError(RerankError):
    """An option that cannot work."""


class CalibrationError(ConfigurationError):
    """A calibration that cannot be read, is for another model, or cannot reach the precision asked for."""


class DriftError(RerankError):
    """A drift reference that cannot be read, or scores that drifted further from it than it tolerates."""


class MissingDependencyError(RerankError, ImportError):
    """A package that is not installed, or whose version does not work; the message says what to install."""


class RetrievalError(RerankError):
    """A first stage that failed for a query, or returned something other than a list of passages."""


class ExportError(RerankError):
    """An exported graph whose scores differ from its model's; the export is not kept."""


class ModelLoadError(RerankError):
    """A model that could not be found or read."""


class UnsupportedModelError(ModelLoadError):
    """A model that is not a reranker, or that the backend or the installed versions cannot run."""


class ScoringError(RerankError):
    """A backend that failed while it scored, or returned something other than scores."""


class NonFiniteScoreError(ScoringError):
    """A score that is NaN or infinite and cannot be ranked."""


class OutOfMemoryError(ScoringError):
    """A single pair that does not fit into the device's memory."""


class ServerError(ScoringError):
    """A server that cannot be reached, refuses, or sends an answer that cannot be used.

    Attributes:
        url: The URL of the request, without credentials.
        reason: What happened, with the server's own message.
        status: The HTTP status of the answer; `None` without an answer.
        retry_after: The seconds to wait, if the server sent `Retry-After`.
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
