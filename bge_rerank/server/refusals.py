"""`RefusedError`: why a request gets no ranking, before it is put into the words of a dialect."""

from __future__ import annotations

from typing import Literal

Kind = Literal[
    "Validation", "Empty", "Overloaded", "Backend", "Unauthorized", "TooLarge", "Timeout", "Gone"
]

STATUSES: dict[Kind, int] = {
    "Validation": 422,
    "Empty": 400,
    "TooLarge": 413,
    "Unauthorized": 401,
    "Overloaded": 429,
    "Backend": 424,
    "Timeout": 503,
    "Gone": 499,
}
"""The status that each kind has, as Text Embeddings Inference gives them; nobody reads the last."""


class RefusedError(Exception):
    """A request that is answered with an error.

    Attributes:
        kind: What sort of error it is.
        message: What was wrong and what to do, in a line.
    """

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUSES[self.kind]
