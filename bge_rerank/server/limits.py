"""`Limits`: what the server takes, and how much at once."""

from __future__ import annotations

from dataclasses import dataclass, fields

from bge_rerank.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may hold, and what may wait. Everything beyond is refused before any work.

    Attributes:
        max_body_bytes: The largest body of a request.
        max_texts: The most texts of a request.
        max_characters: The most characters of the query, and of each text.
        max_waiting_texts: The most texts of all requests that are not answered yet.
        max_seconds: How long a request may take, waiting included.

    >>> Limits(max_texts=0)
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: max_texts is 0; give a number above 0
    """

    max_body_bytes: int = 10_000_000
    max_texts: int = 1_000
    max_characters: int = 200_000
    max_waiting_texts: int = 4_000
    max_seconds: float = 60.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 < value < float("inf"):
                raise ConfigurationError(f"{field.name} is {value}; give a number above 0")
