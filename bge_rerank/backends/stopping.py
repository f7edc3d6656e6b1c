"""Telling a thread that nobody waits for its scores any more."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from bge_rerank.errors import ScoringError

_stop: ContextVar[threading.Event | None] = ContextVar("bge_rerank_stop", default=None)


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """Give an event that stops the scoring started within, at its next batch, in whichever thread.

    Within another one the event is that one's. An error that ends the block, or a cancellation, sets it.

    >>> with stoppable() as stop:
    ...     stop.set()
    ...     stop_if_told()
    Traceback (most recent call last):
    bge_rerank.errors.ScoringError: stopped: nobody waits for these scores any more
    """
    stop = _stop.get() or threading.Event()
    token = _stop.set(stop)
    try:
        yield stop
    except BaseException:
        stop.set()
        raise
    finally:
        _stop.reset(token)


def stop_if_told() -> None:
    """Do nothing, unless nobody waits any more.

    Raises:
        ScoringError: Whoever asked for the scores was cancelled.
    """
    stop = _stop.get()
    if stop is not None and stop.is_set():
        raise ScoringError("stopped: nobody waits for these scores any more")
