"""Stop a thread whose scores nobody waits for any more."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from bge_rerank.errors import ScoringError

_stop: ContextVar[threading.Event | None] = ContextVar("bge_rerank_stop", default=None)


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """Yield an event. Setting it stops all scoring that started in the block, at the next batch, in any thread.

    A nested block yields the outer event. An error or a cancellation that ends the block sets the event.

    >>> with stoppable() as stop:
    ...     stop.set()
    ...     stop_if_told()
    Traceback (most recent call last):
    bge_rerank.errors.ScoringError: stopped, because the call was cancelled
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
    """Raise an error if the event of the surrounding `stoppable` block is set.

    Raises:
        ScoringError: The call that asked for the scores was cancelled.
    """
    stop = _stop.get()
    if stop is not None and stop.is_set():
        raise ScoringError("stopped, because the call was cancelled")
