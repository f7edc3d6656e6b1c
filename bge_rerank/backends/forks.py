"""A fork waits until nothing of ours is in the middle of a step, so that the child can score."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol

SECONDS_BEFORE_FORK = 10.0
"""The longest that a fork waits for one step to end: a batch takes less, a call of FlagEmbedding may take more."""


class Forkable(Protocol):
    """Something with locks or threads. A child has no threads of its parent, and locks as they were."""

    def before_fork(self, seconds: float, /) -> None:
        """Wait up to so many seconds for what runs, and let nothing begin."""
        ...

    def after_fork(self) -> None:
        """Go on, in the parent."""
        ...

    def in_forked_child(self) -> None:
        """Start anew, without what the parent had running."""
        ...


_forkable: weakref.WeakSet[Forkable] = weakref.WeakSet()
_forking = threading.Lock()
_halted: list[Forkable] = []


def prepare_for_forks(thing: Forkable) -> None:
    """Tell a thing of every fork of this process, as long as it lives."""
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
    """A lock that a forked child does not find taken by a thread which it does not have.

    >>> with ForkableLock():
    ...     print("alone")
    alone
    """

    def __init__(self) -> None:
        """Make a lock that nobody holds."""
        self._lock = threading.Lock()
        self._halted = False
        prepare_for_forks(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def before_fork(self, seconds: float, /) -> None:
        """Wait until nobody holds the lock."""
        self._halted = self._lock.acquire(timeout=seconds)

    def after_fork(self) -> None:
        """Let it be taken again."""
        if self._halted:
            self._lock.release()

    def in_forked_child(self) -> None:
        """Forget who held it."""
        self._lock = threading.Lock()
