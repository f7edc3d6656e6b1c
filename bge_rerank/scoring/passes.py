"""`Passes`: the queue of an event loop, and the passes over a scorer that answer it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from math import inf
from threading import Event

from bge_rerank.backends.stopping import stoppable
from bge_rerank.errors import ScoringError
from bge_rerank.scoring.asking import logit_by_pair
from bge_rerank.types import Pair

LARGE_AT_ONCE = 2
"""The most large calls that run beside the passes: one is encoded while the other computes. Further ones wait."""

ScoreAsync = Callable[[Sequence[Pair]], Awaitable[Sequence[float]]]
"""Scores the pairs of one pass."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A call that waits for its scores.

    Attributes:
        pairs: The pairs of the call.
        came: When the call arrived, in the loop's time.
        logits: The future for the answer.
    """

    pairs: tuple[Pair, ...]
    came: float
    logits: asyncio.Future[list[float]]


@dataclass(slots=True)
class Queue:
    """Requests in order of arrival.

    Attributes:
        max_pairs: The most distinct pairs of a pass.
        max_characters: The most characters of a pass.
        gathered: The requests of the next pass: at most `max_pairs` distinct pairs, or one request.
        distinct: The distinct pairs of `gathered`.
        behind: The requests of later passes. It is empty if `gathered` is empty.
    """

    max_pairs: int
    max_characters: float = inf
    gathered: list[Request] = field(default_factory=list)
    distinct: set[Pair] = field(default_factory=set)
    behind: deque[Request] = field(default_factory=deque)

    @property
    def is_full(self) -> bool:
        """Whether the next pass is full."""
        return bool(self.behind) or len(self.distinct) >= self.max_pairs

    def add(self, request: Request) -> None:
        """Append a request."""
        self.behind.append(request)
        self._move_up()

    def take(self) -> list[Request]:
        """Return the requests of a pass, and gather those of the next."""
        taken, self.gathered, self.distinct = self.gathered, [], set()
        self._move_up()
        return taken

    def discard(self, request: Request) -> None:
        """Remove a request, if it is still in the queue."""
        if request in self.behind:
            self.behind.remove(request)
        if request in self.gathered:
            self.gathered.remove(request)
            self.distinct = {pair for left in self.gathered for pair in left.pairs}
        self._move_up()

    def _move_up(self) -> None:
        while self.behind and self._has_room_for(self.behind[0]):
            request = self.behind.popleft()
            self.gathered.append(request)
            self.distinct.update(request.pairs)

    def _has_room_for(self, request: Request) -> bool:
        if not self.gathered:
            return True
        together = self.distinct.union(request.pairs)
        return len(together) <= self.max_pairs and characters(together) <= self.max_characters


class Passes:
    """The queue of an event loop, and the task that answers its requests.

    An idle object refers to nothing of the loop, so that both are freed together.
    """

    def __init__(self, score: ScoreAsync, wait: float, max_pairs: int) -> None:
        """Make an empty queue.

        Args:
            score: Scores the pairs of a pass.
            wait: Seconds from the first call of a pass until the pass starts.
            max_pairs: The most distinct pairs of a pass. A full pass starts at once.
        """
        self._score = score
        self._wait = wait
        self._queue = Queue(max_pairs)
        self._large: asyncio.Semaphore | None = None
        self._large_calls = 0
        self._running: Sequence[Request] = ()
        self._stop: Event | None = None
        self._task: asyncio.Task[None] | None = None
        self._full: asyncio.Future[None] | None = None

    async def ascore(self, pairs: Sequence[Pair], max_characters: float = inf) -> list[float]:
        """Wait for a pass, and return the logits of these pairs.

        Args:
            pairs: The pairs of the call.
            max_characters: The most characters of a pass. Larger calls run beside the passes.

        Raises:
            ScoringError: The scorer failed on these pairs.
        """
        distinct = list(dict.fromkeys(pairs))
        if characters(distinct) > max_characters:
            logit_of = await self._beside(distinct)
            return [logit_of[pair] for pair in pairs]
        self._queue.max_characters = max_characters
        loop = asyncio.get_running_loop()
        request = Request(tuple(pairs), loop.time(), loop.create_future())
        self._queue.add(request)
        if self._task is None or self._task.done():
            # A pass serves several callers, so it runs in a new context.
            self._task = loop.create_task(self._run(), context=Context())
        elif self._queue.is_full and self._full is not None and not self._full.done():
            self._full.set_result(None)
        try:
            return await request.logits
        except asyncio.CancelledError:
            self._queue.discard(request)
            if self._stop and all(running.logits.done() for running in self._running):
                self._stop.set()
            raise

    async def _beside(self, distinct: Sequence[Pair]) -> dict[Pair, float]:
        """Score a large call while passes run."""
        if self._large is None:
            self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._large_calls += 1
        try:
            async with self._large:
                return logit_by_pair(distinct, await self._score(distinct))
        finally:
            self._large_calls -= 1
            if not self._large_calls:
                self._large = None

    async def _run(self) -> None:
        try:
            while self._queue.gathered:
                await self._gather(self._queue.gathered[0].came + self._wait)
                await self._answer(self._queue.take())
        finally:
            self._task = None
            # Requests are left here only if the loop shuts down.
            for request in (*self._queue.gathered, *self._queue.behind):
                request.logits.cancel()

    async def _gather(self, until: float) -> None:
        """Wait until a time, or until the pass is full."""
        loop = asyncio.get_running_loop()
        if self._queue.is_full or until <= loop.time():
            return
        self._full = loop.create_future()
        try:
            await asyncio.wait([self._full], timeout=until - loop.time())
        finally:
            self._full = None

    async def _answer(self, requests: Sequence[Request]) -> None:
        """Answer requests with one pass, or one by one if the pass fails."""
        wanted = [request for request in requests if not request.logits.done()]
        distinct = list(dict.fromkeys(pair for request in wanted for pair in request.pairs))
        if not distinct:
            return
        try:
            with stoppable() as self._stop:
                self._running = wanted
                logit_of = logit_by_pair(distinct, await self._score(distinct))
        except ScoringError as error:
            if len(wanted) == 1:
                _fail(wanted, error)
            else:
                for request in wanted:
                    await self._answer([request])
        except Exception as error:  # noqa: BLE001 - the callers receive every error
            _fail(wanted, error)
        else:
            for request in wanted:
                if not request.logits.done():
                    request.logits.set_result([logit_of[pair] for pair in request.pairs])
        finally:
            self._running, self._stop = (), None
            # Requests are unanswered here only if the loop shuts down.
            for request in wanted:
                request.logits.cancel()


def characters(pairs: Iterable[Pair]) -> int:
    """Return the number of characters of pairs. A query counts once for each of its passages.

    >>> characters([("q", "abc"), ("q", "")])
    5
    """
    return sum(len(query) + len(passage) for query, passage in pairs)


def _fail(requests: Sequence[Request], error: Exception) -> None:
    for request in requests:
        if not request.logits.done():
            request.logits.set_exception(error)
