"""An event loop in a thread of its own: what is written async once serves sync callers too."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

_loops: dict[int, asyncio.AbstractEventLoop] = {}
_starting = threading.Lock()


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on the process's background loop, and wait for it.

    The loop starts with the first call and lives as long as the process, so that connections are
    used again. It may be called from any thread, also from one whose own loop is running.
    """
    future = asyncio.run_coroutine_threadsafe(coroutine, _loop())
    try:
        return future.result()
    except BaseException:
        # Somebody who presses Ctrl-C waits for nothing more; after an answer this does nothing.
        future.cancel()
        raise


def _loop() -> asyncio.AbstractEventLoop:
    """Return the loop of this process: a fork has none of its parent's threads."""
    with _starting:
        if os.getpid() not in _loops:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="bge-rerank-http", daemon=True).start()
            _loops[os.getpid()] = loop
        return _loops[os.getpid()]
