"""Batches to whichever runner is free: a device, or a stream of CPU threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Generic, TypeVar

Batch = TypeVar("Batch")
Result = TypeVar("Result")

BATCHES_AHEAD = 2
"""Batches handed over for each runner: one that runs, one that is ready when it ends. Few, so that a
short call which comes later waits for these and not for all of a long one."""


class ForwardPool(Generic[Batch, Result]):
    """Run batches on several runners at once, each runner one batch at a time.

    Safe to share between threads. Threads are started with the first batch.

    >>> list(ForwardPool([str.upper, str.upper]).run(["a", "b", "c"]))
    ['A', 'B', 'C']
    """

    def __init__(self, runners: Sequence[Callable[[Batch], Result]]) -> None:
        """Take what runs a batch, one for each device or stream."""
        self.size = len(runners)
        self._free: SimpleQueue[Callable[[Batch], Result]] = SimpleQueue()
        for runner in runners:
            self._free.put(runner)
        self._executor = ThreadPoolExecutor(self.size, thread_name_prefix="bge-rerank-forward")

    def run(self, batches: Iterable[Batch]) -> Iterator[Result]:
        """Yield what the runners make of each batch, in input order.

        Raises:
            What a runner raises; batches that have not begun by then are left out.
        """
        pending: deque[Future[Result]] = deque()
        try:
            for batch in batches:
                pending.append(self._executor.submit(self._run, batch))
                if len(pending) > BATCHES_AHEAD * self.size:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()

    def _run(self, batch: Batch) -> Result:
        runner = self._free.get()
        try:
            return runner(batch)
        finally:
            self._free.put(runner)
