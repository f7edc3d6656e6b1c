"""`GatheringScorer`: calls that run at the same time on an event loop share passes over the model."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from bge_rerank.errors import ConfigurationError, ScoringError
from bge_rerank.scoring.asking import ascore_with, logit_by_pair
from bge_rerank.types import Pair, Scorer

MAX_PAIRS = 1_024
"""Ten requests of a hundred candidates."""


class GatheringScorer:
    """A scorer whose concurrent `ascore` calls are answered together.

    A pass over the wrapped scorer starts `wait_ms` after the first call came, or as soon as
    `max_pairs` distinct pairs are there. Each event loop makes one pass at a time; what comes
    meanwhile is gathered for the next. A pair that several calls want is scored once.

    No call is refused: those for which a pass has no room wait, first come first served, and one
    of more than `max_pairs` pairs has a pass of its own. A call that is cancelled before its pass
    starts is left out of it; one that is cancelled later disturbs nobody. Where a pass raises
    `ScoringError`, each call is scored by itself, so that it fails for nobody but its cause.

    >>> class Lengths:
    ...     def score(self, pairs, /):
    ...         print(f"{len(pairs)} pairs")
    ...         return [len(passage) for _, passage in pairs]
    >>> async def two_calls(scorer):
    ...     calls = [scorer.ascore([("q", "a")]), scorer.ascore([("q", "a"), ("q", "bb")])]
    ...     return await asyncio.gather(*calls)
    >>> asyncio.run(two_calls(GatheringScorer(Lengths())))
    2 pairs
    [[1.0], [1.0, 2.0]]
    """

    def __init__(self, scorer: Scorer, wait_ms: float = 2.0, max_pairs: int = MAX_PAIRS) -> None:
        """Wrap a scorer.

        Args:
            scorer: What scores the pairs: awaited where it can be, else in a thread.
            wait_ms: How long the first call waits for others, in milliseconds; 0 gathers nothing,
                and every call is a pass.
            max_pairs: The most distinct pairs of a pass.

        Raises:
            ConfigurationError: `wait_ms` is negative or not finite, or `max_pairs` is below 1.
        """
        check_wait("wait_ms", wait_ms)
        if max_pairs < 1:
            raise ConfigurationError(f"max_pairs is {max_pairs}; give 1 or more")
        self.scorer = scorer
        self.wait_ms = wait_ms
        self.max_pairs = max_pairs
        self._passes: WeakKeyDictionary[asyncio.AbstractEventLoop, _Passes] = WeakKeyDictionary()

    def __reduce__(self) -> tuple[type[GatheringScorer], tuple[Scorer, float, int]]:
        # A copy is a scorer of its own; event loops can be neither copied nor pickled.
        return GatheringScorer, (self.scorer, self.wait_ms, self.max_pairs)

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        """Score as the wrapped scorer does, at once: nothing is gathered."""
        return self.scorer.score(pairs)

    async def ascore(self, pairs: Sequence[Pair], /) -> list[float]:
        """Score together with the other calls of the running event loop.

        Returns:
            The wrapped scorer's logits, one per pair, in input order.

        Raises:
            ScoringError: The wrapped scorer failed on this call's pairs, or gave another number
                of scores than it was asked for.
        """
        if not pairs:
            return []
        if self.wait_ms == 0:
            return list(await ascore_with(self.scorer, pairs))
        loop = asyncio.get_running_loop()
        if loop not in self._passes:
            self._passes[loop] = _Passes(self.scorer, self.wait_ms / 1_000, self.max_pairs)
        return await self._passes[loop].ascore(pairs)


def check_wait(name: str, milliseconds: float) -> None:
    """Refuse a time that nobody can wait.

    Raises:
        ConfigurationError: It is negative, infinite or NaN.

    >>> check_wait("batch_wait_ms", -1)
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: batch_wait_ms is -1; give milliseconds from 0 (off) on
    """
    if not 0 <= milliseconds < float("inf"):
        raise ConfigurationError(f"{name} is {milliseconds}; give milliseconds from 0 (off) on")


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    """One call: what it wants, when it came (in the loop's time), and where its answer goes."""

    pairs: tuple[Pair, ...]
    came: float
    logits: asyncio.Future[list[float]]


@dataclass(slots=True)
class _Queue:
    """Requests in the order in which they came: those of the next pass, and those behind them.

    `gathered` holds at most `max_pairs` distinct pairs, or a single request. Nothing waits
    behind an empty `gathered`.
    """

    max_pairs: int
    gathered: list[_Request] = field(default_factory=list)
    distinct: set[Pair] = field(default_factory=set)
    behind: deque[_Request] = field(default_factory=deque)

    @property
    def is_full(self) -> bool:
        return bool(self.behind) or len(self.distinct) >= self.max_pairs

    def add(self, request: _Request) -> None:
        self.behind.append(request)
        self._move_up()

    def take(self) -> list[_Request]:
        """Return what goes into a pass, and gather the next."""
        taken, self.gathered, self.distinct = self.gathered, [], set()
        self._move_up()
        return taken

    def discard(self, request: _Request) -> None:
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

    def _has_room_for(self, request: _Request) -> bool:
        return not self.gathered or len(self.distinct.union(request.pairs)) <= self.max_pairs


class _Passes:
    """The queue of one event loop, and the task that empties it while there is something in it.

    Idle, it refers to nothing of the loop, so that it goes when the loop goes.
    """

    def __init__(self, scorer: Scorer, wait: float, max_pairs: int) -> None:
        self._scorer = scorer
        self._wait = wait
        self._queue = _Queue(max_pairs)
        self._task: asyncio.Task[None] | None = None
        self._full: asyncio.Future[None] | None = None

    async def ascore(self, pairs: Sequence[Pair]) -> list[float]:
        loop = asyncio.get_running_loop()
        request = _Request(tuple(pairs), loop.time(), loop.create_future())
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
            raise

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

    async def _answer(self, requests: Sequence[_Request]) -> None:
        """Answer requests by one pass, or one by one where that fails."""
        wanted = [request for request in requests if not request.logits.done()]
        distinct = list(dict.fromkeys(pair for request in wanted for pair in request.pairs))
        if not distinct:
            return
        try:
            logit_of = logit_by_pair(distinct, await ascore_with(self._scorer, distinct))
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
            # Somebody is without an answer here only where the loop shuts down.
            for request in wanted:
                request.logits.cancel()


def _fail(requests: Sequence[_Request], error: Exception) -> None:
    for request in requests:
        if not request.logits.done():
            request.logits.set_exception(error)
