"""`Warnings`: each cause is a warning once, so that a service's log is not flooded."""

from __future__ import annotations

import logging


class Warnings:
    """Log a message at WARNING level the first time that its cause occurs, and at INFO level afterwards.

    The package adds no handler to its loggers. Without any set-up, Python prints warnings to stderr and
    hides the repeats. `logging.basicConfig(level=logging.INFO)` shows both.

    >>> import logging, sys
    >>> logger = logging.getLogger("example")
    >>> logger.addHandler(logging.StreamHandler(sys.stdout))
    >>> warn = Warnings(logger)
    >>> for tokens in (12, 30):
    ...     warn("truncated", "%d tokens were left out", tokens)
    12 tokens were left out
    """

    def __init__(self, logger: logging.Logger) -> None:
        """Log to `logger`. Each scorer has an object of its own, so each scorer warns once."""
        self._logger = logger
        self._seen: set[str] = set()

    def __call__(self, cause: str, message: str, *values: object) -> None:
        """Log a message with its values. `cause` says which messages are repeats of each other."""
        level = logging.INFO if cause in self._seen else logging.WARNING
        self._seen.add(cause)
        self._logger.log(level, message, *values, stacklevel=2)
