"""The options of a server: `ServerOptions`, with its `Limits` and `PassOptions`."""

from __future__ import annotations

from dataclasses import field

from bge_rerank.errors import ConfigurationError
from bge_rerank.models.config import HiddenText, Secret, revealed
from bge_rerank.models.options import (
    MILLISECONDS_OR_OFF,
    Checked,
    above_zero,
    option,
    options,
    whole_from,
)

KEY_VARIABLE = "BGE_RERANK_API_KEY"
"""The environment variable that holds the API key: arguments are shown in lists of processes and of settings."""


@options
class Limits(Checked):
    """The limits of a request and of the queue. The server refuses a request beyond them before any scoring.

    >>> Limits(max_texts=0)
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: max_texts is 0; pass a number above 0
    """

    max_body_bytes: int = option(
        default=10_000_000,
        doc="The maximum size of a request's body, in bytes. Larger bodies get status 413.",
        check=above_zero("a number"),
    )
    max_texts: int = option(
        default=1_000,
        doc="The maximum number of texts in one request. Larger requests get status 422.",
        check=above_zero("a number"),
    )
    max_characters: int = option(
        default=200_000,
        doc="The maximum number of characters of the query and of each text. Longer ones get status 422.",
        check=above_zero("a number"),
    )
    max_waiting_texts: int = option(
        default=4_000,
        doc="The maximum number of texts in all unanswered requests together. Further requests get status 429.",
        check=above_zero("a number"),
    )
    max_seconds: float = option(
        default=60.0,
        doc="The maximum time for a request, in seconds, including its time in the queue. Slower requests get status 503.",
        check=above_zero("a number"),
    )


@options
class PassOptions(Checked):
    """How requests share passes over the model."""

    pass_pairs: int = option(
        default=32,
        doc="The maximum number of pairs in a pass that several requests share. A request with more pairs gets passes of its own.",
        check=whole_from(1),
    )
    wait_ms: float = option(
        default=1.0,
        doc="How long a pass waits for further requests to share it, in milliseconds. 0 turns sharing off.",
        check=MILLISECONDS_OR_OFF,
    )


@options
class ServerOptions(PassOptions):
    """The options of `create_app`.

    Attributes:
        model_name: The model's name in answers.
        limits: The limits of requests.
    """

    model_name: str
    limits: Limits = field(default_factory=Limits)
    api_key: str | Secret | None = option(
        default=None,
        doc="The API key that clients must send, as a bearer token. With None, clients need no key.",
        hidden=True,
    )

    def __post_init__(self) -> None:
        """Check each option, and hide the key.

        Raises:
            ConfigurationError: A value cannot work. The message never contains the key.
        """
        super().__post_init__()
        if self.api_key is None:
            return
        key = revealed(self.api_key)
        if not (key and key.isascii() and key.isprintable() and key == key.strip()):
            raise ConfigurationError(
                "the API key (api_key or BGE_RERANK_API_KEY) is empty, starts or ends with white space, "
                "or has characters that an HTTP header cannot carry; use printable ASCII characters only"
            )
        object.__setattr__(self, "api_key", HiddenText(key))
