"""`ForwardPool`: run each batch on the next free runner, a device or a group of CPU threads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from queue import Empty, PriorityQueue, SimpleQueue
from time import monotonic, sleep
from typing import Generic, TypeVar

from bge_rerank.backends.forks import prepare_for_forks

Batch = TypeVar("Batch")
Result = TypeVar("Result")

BATCHES_AHEAD = 2
"""The batches of a call that wait for each runner: one that runs, and one that follows it. Fewer batches of a long
call take less memory."""
REST_SECONDS = 0.02
"""The time in which a library's threads go to sleep after a batch. OpenVINO's threads hold a lock of TBB for a moment then.
A child that is forked in that moment waits for the lock for ever: one in 300 did."""


@dataclass(order=True, slots=True)
class _Waiting(Generic[Batch, Result]):
    """A batch that waits for a runner. The lowest turn runs first; equal turns run in order of arrival."""

    turn: int
    number: int
    batch: Batch = field(compare=False)
    result: Future[Result] = field(compare=False, default_factory=Future)


class ForwardPool(Generic[Batch, Result]):
    """A pool of runners that work at the same time, each on one batch.

    Threads can share a pool. Their calls take turns by the cost of their batches, so a short call waits for at most
    one batch of each long call. The pool starts its threads with the first batch. A fork waits for the running
    batches, and the child starts its own threads.

    >>> list(ForwardPool([str.upper, str.upper]).run(["a", "b", "c"]))
    ['A', 'B', 'C']
    """

    def __init__(
        self,
        runners: Sequence[Callable[[Batch], Result]],
        cost: Callable[[Batch], int] = lambda _: 1,
    ) -> None:
        """Make a pool.

        Args:
            runners: Functions that run a batch, one for each device or group of threads.
            cost: Returns the cost of a batch, by which calls take turns.
        """
        self.size = len(runners)
        self._cost = cost
        self._runners = runners
        self._halted: list[Callable[[Batch], Result]] = []
        self._shut = False
        self.in_forked_child()
        prepare_for_forks(self)

    def in_forked_child(self) -> None:
        """Reset the pool: all runners are free, and no thread runs."""
        self._gate = threading.Lock()
        self._free: SimpleQueue[Callable[[Batch], Result]] = SimpleQueue()
        self._give_back(self._runners)
        self._executor = ThreadPoolExecutor(self.size, thread_name_prefix="bge-rerank-forward")
        self._waiting: PriorityQueue[_Waiting[Batch, Result]] = PriorityQueue()
        self._turn = 0
        self._ended = monotonic()  # a model that was just loaded has used the threads too
        self._numbers = count()

    def before_fork(self, seconds: float, /) -> None:
        """Take every runner and let the libraries' threads rest, so that no batch runs and no lock of theirs is held."""
        until = monotonic() + seconds
        self._halted = []
        self._shut = self._gate.acquire(timeout=seconds)
        try:
            while len(self._halted) < self.size:
                self._halted.append(self._free.get(timeout=max(0.0, until - monotonic())))
        except Empty:
            return
        sleep(max(0.0, self._ended + REST_SECONDS - monotonic()))

    def after_fork(self) -> None:
        """Give the runners back."""
        self._give_back(self._halted)
        if self._shut:
            self._gate.release()

    def run(self, batches: Iterable[Batch]) -> Iterator[Result]:
        """Yield the result of each batch, in input order.

        An error of a runner is raised, and the batches that have not started are dropped.
        """
        pending: deque[Future[Result]] = deque()
        turn = 0
        try:
            for batch in batches:
                # A call that starts or resumes gets the current turn.
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
        """Run the batch with the lowest turn, which may differ from the newest one."""
        with self._gate:  # closed while the process forks
            runner = self._free.get()
        waiting = self._waiting.get()
        self._turn = max(self._turn, waiting.turn)
        try:
            if waiting.result.set_running_or_notify_cancel():
                waiting.result.set_result(runner(waiting.batch))
        except BaseException as error:  # noqa: BLE001 - the caller receives every error
            waiting.result.set_exception(error)
        finally:
            self._ended = monotonic()
            self._free.put(runner)
            del waiting  # An error refers to this frame, and the two would form a cycle.

    def _give_back(self, runners: Iterable[Callable[[Batch], Result]]) -> None:
        for runner in runners:
            self._free.put(runner)
