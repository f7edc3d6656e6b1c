"""Batches to whichever runner is free: a device, or a stream of CPU threads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from queue import Empty, PriorityQueue, SimpleQueue
from time import monotonic
from typing import Generic, TypeVar

from bge_rerank.backends.forks import prepare_for_forks

Batch = TypeVar("Batch")
Result = TypeVar("Result")

BATCHES_AHEAD = 2
"""Batches of a call handed over for each runner: one that runs, one that is ready when it ends. Few, so that
few of a long call lie about in memory."""


@dataclass(order=True, slots=True)
class _Waiting(Generic[Batch, Result]):
    """A batch that waits for a runner: that of the lowest turn comes first, then the first come."""

    turn: int
    number: int
    batch: Batch = field(compare=False)
    result: Future[Result] = field(compare=False, default_factory=Future)


class ForwardPool(Generic[Batch, Result]):
    """Run batches on several runners at once, each runner one batch at a time.

    Safe to share between threads, whose calls take turns by what their batches cost, however many they have
    handed over: a short call waits for a batch of each long one. Threads are started with the first batch.
    A process that forks waits for the batches that run; the child has threads of its own.

    >>> list(ForwardPool([str.upper, str.upper]).run(["a", "b", "c"]))
    ['A', 'B', 'C']
    """

    def __init__(
        self,
        runners: Sequence[Callable[[Batch], Result]],
        cost: Callable[[Batch], int] = lambda _: 1,
    ) -> None:
        """Take what runs a batch, one for each device or stream, and say what share of time a batch takes."""
        self.size = len(runners)
        self._cost = cost
        self._runners = runners
        self._halted: list[Callable[[Batch], Result]] = []
        self._shut = False
        self.in_forked_child()
        prepare_for_forks(self)

    def in_forked_child(self) -> None:
        """Start with all runners free, and without threads."""
        self._gate = threading.Lock()
        self._free: SimpleQueue[Callable[[Batch], Result]] = SimpleQueue()
        self._give_back(self._runners)
        self._executor = ThreadPoolExecutor(self.size, thread_name_prefix="bge-rerank-forward")
        self._waiting: PriorityQueue[_Waiting[Batch, Result]] = PriorityQueue()
        self._turn = 0
        self._numbers = count()

    def before_fork(self, seconds: float, /) -> None:
        """Take every runner, so that none is in the middle of a batch: what libraries lock is free then."""
        until = monotonic() + seconds
        self._halted = []
        self._shut = self._gate.acquire(timeout=seconds)
        try:
            while len(self._halted) < self.size:
                self._halted.append(self._free.get(timeout=max(0.0, until - monotonic())))
        except Empty:
            return

    def after_fork(self) -> None:
        """Give the runners back."""
        self._give_back(self._halted)
        if self._shut:
            self._gate.release()

    def run(self, batches: Iterable[Batch]) -> Iterator[Result]:
        """Yield what the runners make of each batch, in input order.

        Raises:
            What a runner raises; batches that have not begun by then are left out.
        """
        pending: deque[Future[Result]] = deque()
        turn = 0
        try:
            for batch in batches:
                # A call that comes, or comes back, starts where the others are.
                turn = max(turn, self._turn)
                pending.append(self._hand_over(turn, batch))
                turn += self._cost(batch)
                if len(pending) > BATCHES_AHEAD * self.size:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()

    def _hand_over(self, turn: int, batch: Batch) -> Future[Result]:
        waiting: _Waiting[Batch, Result] = _Waiting(turn, next(self._numbers), batch)
        self._waiting.put(waiting)
        self._executor.submit(self._run_next)
        return waiting.result

    def _run_next(self) -> None:
        """Run the batch whose turn it is, which need not be the one that was handed over last."""
        with self._gate:  # shut while the process forks
            runner = self._free.get()
        waiting = self._waiting.get()
        self._turn = max(self._turn, waiting.turn)
        try:
            if waiting.result.set_running_or_notify_cancel():
                waiting.result.set_result(runner(waiting.batch))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the caller is told
            waiting.result.set_exception(error)
        finally:
            self._free.put(runner)
            del waiting  # An error keeps this frame: together they would be garbage in a circle.

    def _give_back(self, runners: Iterable[Callable[[Batch], Result]]) -> None:
        for runner in runners:
            self._free.put(runner)
