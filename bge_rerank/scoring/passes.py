"""`Passes`: the queue of one event loop, and the passes over a scorer that empty it."""

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
"""Calls beside the passes that run at a time: while one is encoded the other computes. Others wait for them."""

ScoreAsync = Callable[[Sequence[Pair]], Awaitable[Sequence[float]]]
"""Scores the pairs of one pass."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One call.

    Attributes:
        came: When the call came, in the loop's time.
        logits: Receives the answer.
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
        behind: The requests that wait for a later pass. It is empty if `gathered` is.
    """

    max_pairs: int
    max_characters: float = inf
    gathered: list[Request] = field(default_factory=list)
    distinct: set[Pair] = field(default_factory=set)
    behind: deque[Request] = field(default_factory=deque)

    @property
    def is_full(self) -> bool:
        """Whether the next pass has no room left."""
        return bool(self.behind) or len(self.distinct) >= self.max_pairs

    def add(self, request: Request) -> None:
        """Put a request at the end."""
        self.behind.append(request)
        self._move_up()

    def take(self) -> list[Request]:
        """Return what goes into a pass, and gather the next."""
        taken, self.gathered, self.distinct = self.gathered, [], set()
        self._move_up()
        return taken

    def discard(self, request: Request) -> None:
        """Take a request out, wherever it stands; one that is in no line any more is left alone."""
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
    """The queue of one event loop, and the task that empties it while there is something in it.

    Idle, it refers to nothing of the loop, so that it goes when the loop goes.
    """

    def __init__(self, score: ScoreAsync, wait: float, max_pairs: int) -> None:
        """Start with an empty queue.

        A pass starts `wait` seconds after its first call, or with `max_pairs` distinct pairs.
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

        A pass has `max_characters` at most; a call of more runs beside the passes.

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
            # A pass is for several callers: it runs in the context of none of them.
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
        """Score a large call while passes go on."""
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
            # Something waits here only where the loop shuts down.
            for request in (*self._queue.gathered, *self._queue.behind):
                request.logits.cancel()

    async def _gather(self, until: float) -> None:
        """Wait until a time, or until a pass is full."""
        loop = asyncio.get_running_loop()
        if self._queue.is_full or until <= loop.time():
            return
        self._full = loop.create_future()
        try:
            await asyncio.wait([self._full], timeout=until - loop.time())
        finally:
            self._full = None

    async def _answer(self, requests: Sequence[Request]) -> None:
        """Answer requests by one pass, or one by one where that fails."""
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
        except Exception as error:  # noqa: BLE001 - whatever it is, the callers are told
            _fail(wanted, error)
        else:
            for request in wanted:
                if not request.logits.done():
                    request.logits.set_result([logit_of[pair] for pair in request.pairs])
        finally:
            self._running, self._stop = (), None
            # Somebody is without an answer here only where the loop shuts down.
            for request in wanted:
                request.logits.cancel()


def characters(pairs: Iterable[Pair]) -> int:
    """Return how many characters some pairs have, a query counted with each of its passages.

    >>> characters([("q", "abc"), ("q", "")])
    5
    """
    return sum(len(query) + len(passage) for query, passage in pairs)


def _fail(requests: Sequence[Request], error: Exception) -> None:
    for request in requests:
        if not request.logits.done():
            request.logits.set_exception(error)
