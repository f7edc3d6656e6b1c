"""Packages that only an extra installs: imported where they are needed, missed with a clear word."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bge_rerank.errors import MissingDependencyError


@contextmanager
def needs_extra(extra: str, what: str) -> Iterator[None]:
    """Turn a missing module inside the block into an error that says how to install it.

    Raises:
        MissingDependencyError: A module was not found.

    >>> with needs_extra("torch", "the 'torch' backend"):
    ...     import no_such_module
    Traceback (most recent call last):
    bge_rerank.errors.MissingDependencyError: the 'torch' backend needs no_such_module, which is not installed; pip install 'bge-rerank[torch]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"{what} needs {error.name}, which is not installed; pip install 'bge-rerank[{extra}]'"
        ) from error
