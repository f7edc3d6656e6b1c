"""Messages on standard error: errors and warnings, one line each, with the names of flags."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bge_rerank.display.shown_text import for_terminal

Flags = Mapping[str, str]
"""The name of an option to its flag."""


def tell(message: object, flags: Flags) -> None:
    """Write a message on one line of standard error."""
    line = " ".join(with_flags(str(message), flags).split())
    print(f"bge-rerank: {for_terminal(line)}", file=sys.stderr)


def with_flags(message: str, flags: Flags) -> str:
    """Return a message of the library with the flags of the options that it names.

    A name of one word, such as `depth`, is an option only at the start of the message or before `=`.

    >>> flags = {"top_n": "--top-n", "backend": "--backend", "fresh": "--fresh"}
    >>> with_flags("top_n is 0; pass 1 or more, or None to keep all texts", flags)
    '--top-n is 0; pass 1 or more, or leave it out to keep all texts'
    >>> with_flags("choose another backend, use backend='torch', or pass fresh=True", flags)
    'choose another backend, use --backend torch, or pass --fresh'
    """
    for name, flag in flags.items():
        if name not in message:  # saves nine tenths of the time of parsing a command line
            continue
        message = re.sub(rf"(?<![\w.]){name}='([^']*)'", rf"{flag} \1", message)
        message = re.sub(rf"(?<![\w.]){name}=(?:True\b|(?!\S))", flag, message)
        message = re.sub(rf"(?<![\w.-]){name}=(?=\w)", f"{flag} ", message)
        message = re.sub(rf"^{name}(?= (?:is|has) )", flag, message)
        if "_" in name:
            message = re.sub(rf"(?<![\w'\"./-]){name}(?![\w'\"/-]|\.\w)", flag, message)
    if message.startswith("--"):
        message = re.sub(r"\bor None\b", "or leave it out", message)
    return message


@contextmanager
def warnings_on_stderr(flags: Flags, *, once: bool = True) -> Iterator[None]:
    """Write the library's warnings to standard error while the block runs.

    With `once`, only the first of the warnings that differ by their values is written: an evaluation may
    have the same warning for each query.
    """
    logger, handler = logging.getLogger("bge_rerank"), _Told(flags)
    if once:
        handler.addFilter(_First())
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _First(logging.Filter):
    """Lets the first warning of each kind pass."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        first = record.msg not in self._seen
        self._seen.add(record.msg)
        return first


class _Told(logging.Handler):
    """Tells each warning on a line."""

    def __init__(self, flags: Flags) -> None:
        super().__init__(logging.WARNING)
        self._flags = flags

    def emit(self, record: logging.LogRecord) -> None:
        tell(f"warning: {record.getMessage()}", self._flags)
