"""How a server presents itself and what it takes: `ServerOptions`, with `Limits` and `PassOptions`."""

from __future__ import annotations

from dataclasses import field

from bge_rerank.errors import ConfigurationError
from bge_rerank.models.options import (
    MILLISECONDS_OR_OFF,
    Checked,
    above_zero,
    option,
    options,
    whole_from,
)


@options
class Limits(Checked):
    """What one request may hold, and what may wait. Everything beyond is refused before any work.

    >>> Limits(max_texts=0)
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: max_texts is 0; pass a number above 0
    """

    max_body_bytes: int = option(
        default=10_000_000,
        doc="The largest body of a request, in bytes.",
        check=above_zero("a number"),
    )
    max_texts: int = option(
        default=1_000,
        doc="The most texts in one request.",
        check=above_zero("a number"),
    )
    max_characters: int = option(
        default=200_000,
        doc="The most characters of the query, and of each text.",
        check=above_zero("a number"),
    )
    max_waiting_texts: int = option(
        default=4_000,
        doc="The most texts of all requests that are not answered yet.",
        check=above_zero("a number"),
    )
    max_seconds: float = option(
        default=60.0,
        doc="The longest time that a request may take, waiting included, in seconds.",
        check=above_zero("a number"),
    )


@options
class PassOptions(Checked):
    """How requests share passes over the model."""

    pass_pairs: int = option(
        default=32,
        doc="The most pairs of a pass over the model that requests share. A larger request may have passes of its own.",
        check=whole_from(1),
    )
    wait_ms: float = option(
        default=1.0,
        doc="How long a pass waits for more requests, in milliseconds.",
        check=MILLISECONDS_OR_OFF,
    )


@options
class ServerOptions(PassOptions):
    """How a server presents itself and what it takes.

    Attributes:
        model_name: What it calls the model.
        limits: What is refused.
    """

    model_name: str
    limits: Limits = field(default_factory=Limits)
    api_key: str | None = option(
        default=None,
        doc="The bearer token that clients must send. None asks for none.",
        hidden=True,
    )

    def __post_init__(self) -> None:
        """Check each option.

        Raises:
            ConfigurationError: A value cannot work; the message does not hold the key.
        """
        super().__post_init__()
        key = self.api_key
        if key is not None and not (
            key and key.isascii() and key.isprintable() and key == key.strip()
        ):
            raise ConfigurationError(
                "the key (api_key or BGE_RERANK_API_KEY) is empty, begins or ends with white space, "
                "or has characters that no header can carry; give printable ASCII characters alone"
            )
