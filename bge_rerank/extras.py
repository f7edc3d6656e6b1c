"""Imports of packages that only an extra installs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bge_rerank.errors import MissingDependencyError


@contextmanager
def needs_extra(extra: str, what: str) -> Iterator[None]:
    """Turn a missing module in the block into an error that says how to install the module.

    Args:
        extra: The extra that installs the module.
        what: What needs the module; the message starts with it.

    Raises:
        MissingDependencyError: A module is not installed.

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
