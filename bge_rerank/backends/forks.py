"""Make a fork wait until none of our objects is in the middle of a step, so that the child can score."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol

SECONDS_BEFORE_FORK = 10.0
"""The longest time that a fork waits for a step. A batch takes less; a call of FlagEmbedding may take more."""


class Forkable(Protocol):
    """An object with locks or threads. A forked child has none of its parent's threads, but its locks as they were."""

    def before_fork(self, seconds: float, /) -> None:
        """Wait up to `seconds` for the running steps, and let no new step begin."""
        ...

    def after_fork(self) -> None:
        """Continue in the parent."""
        ...

    def in_forked_child(self) -> None:
        """Reset the object in the child, which runs none of the parent's steps."""
        ...


_forkable: weakref.WeakSet[Forkable] = weakref.WeakSet()
_forking = threading.Lock()
_halted: list[Forkable] = []


def prepare_for_forks(thing: Forkable) -> None:
    """Call the methods of `thing` at each fork of this process, as long as the object lives."""
    _forkable.add(thing)


def _before() -> None:
    _forking.acquire()
    _halted[:] = _forkable
    for thing in _halted:
        thing.before_fork(SECONDS_BEFORE_FORK)


def _in_parent() -> None:
    for thing in _halted:
        thing.after_fork()
    _halted.clear()
    _forking.release()


def _in_child() -> None:
    for thing in _halted:
        thing.in_forked_child()
    _halted.clear()
    _forking.release()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)


class ForkableLock:
    """A lock that is free in a forked child, even if another thread of the parent held it.

    >>> with ForkableLock():
    ...     print("alone")
    alone
    """

    def __init__(self) -> None:
        """Make a free lock."""
        self._lock = threading.Lock()
        self._halted = False
        prepare_for_forks(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def before_fork(self, seconds: float, /) -> None:
        """Wait until the lock is free, and take it."""
        self._halted = self._lock.acquire(timeout=seconds)

    def after_fork(self) -> None:
        """Release the lock."""
        if self._halted:
            self._lock.release()

    def in_forked_child(self) -> None:
        """Replace the lock by a free one."""
        self._lock = threading.Lock()
