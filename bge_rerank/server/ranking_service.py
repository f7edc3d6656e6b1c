"""`RankingService`: from a checked request to its ranking, sharing passes, bounded, cancellable."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bge_rerank.errors import InvalidInputError, ScoringError
from bge_rerank.ranking.reranker import Reranker
from bge_rerank.scoring.gathering import GatheringScorer
from bge_rerank.scoring.piecewise import PiecewiseScorer
from bge_rerank.server.metrics import Metrics
from bge_rerank.server.options import Limits
from bge_rerank.server.refusals import RefusedError
from bge_rerank.types import Pair, Ranked, Scorer

logger = logging.getLogger(__name__)

COUNTED_CHARACTERS = 500_000
"""The most characters whose tokens are counted at a time, which cannot be stopped: a quarter of a second."""


class RankingService:
    """Ranks for many clients at a time.

    Small requests share passes of at most `pass_pairs` pairs. A larger one takes turns with them, so
    none is held up by another for longer than a pass.
    """

    def __init__(self, scorer: Scorer, limits: Limits, pass_pairs: int, wait_ms: float) -> None:
        """Put a scorer, whose weights are loaded, behind a queue.

        The first request of a pass waits `wait_ms` milliseconds for others.
        """
        self.limits = limits
        self.metrics = Metrics()
        gathering = GatheringScorer(scorer, wait_ms, pass_pairs, self.metrics.passed)
        # Where calls do not take turns batch by batch, a large one takes them piece by piece.
        takes_turns = getattr(scorer, "takes_turns", False)
        fair = gathering if takes_turns else PiecewiseScorer(gathering, pass_pairs)
        self._reranker = Reranker(fair, top_n=None)
        self._waiting = 0
        # Of all requests, one at a time has its tokens counted: the threads are for passes too.
        self._counting = asyncio.Lock()

    async def rank(
        self,
        query: str,
        texts: Sequence[str],
        gone: Callable[[], Awaitable[object]],
        *,
        truncate: bool = True,
    ) -> list[Ranked]:
        """Rank texts, best first.

        Scoring stops when `gone` ends, as it does when the client disconnects. Without `truncate`,
        pairs that are longer than the model takes are refused.

        Raises:
            RefusedError: The request is too large, there is no room for it, it took too long, the client
                has gone, or scoring failed.
        """
        with self.metrics.request():
            self._check(query, texts)
            with self._room_for(len(texts)):
                return await self._in_time(self._ranked(query, texts, truncate=truncate), gone)

    def _check(self, query: str, texts: Sequence[str]) -> None:
        limits = self.limits
        for name, text in (("query", query), *(("a text", text) for text in texts)):
            if len(text) > limits.max_characters:
                raise RefusedError(
                    "Validation",
                    f"{name} has {len(text)} characters; send {limits.max_characters} at most",
                )

    async def _refuse_cut(self, query: str, texts: Sequence[str]) -> None:
        tokens_cut = getattr(self._reranker.scorer, "tokens_cut", None)
        if tokens_cut is None:
            raise RefusedError(
                "Validation", "this model cannot tell what it would cut; send truncate: true"
            )
        for start, piece in _pieces(query, texts):
            async with self._counting:
                cut = await asyncio.to_thread(tokens_cut, piece)
            for place, tokens in enumerate(cut, start):
                if tokens:
                    raise RefusedError(
                        "Validation",
                        f"the query and text {place} are {tokens} tokens too long; shorten them or send truncate: true",
                    )

    @contextmanager
    def _room_for(self, count: int) -> Iterator[None]:
        if self._waiting + count > self.limits.max_waiting_texts and self._waiting:
            raise RefusedError("Overloaded", "model is overloaded; try again in a moment")
        self._waiting += count
        self.metrics.waiting.set(self._waiting)
        try:
            yield
        finally:
            self._waiting -= count
            self.metrics.waiting.set(self._waiting)

    async def _ranked(self, query: str, texts: Sequence[str], *, truncate: bool) -> list[Ranked]:
        if not truncate:
            await self._refuse_cut(query, texts)
        return await self._reranker.arerank(query, texts)

    async def _in_time(
        self, ranked: Coroutine[Any, Any, list[Ranked]], gone: Callable[[], Awaitable[object]]
    ) -> list[Ranked]:
        seconds = self.limits.max_seconds
        ranking = asyncio.ensure_future(ranked)
        leaving = asyncio.ensure_future(gone())
        try:
            await asyncio.wait(
                {ranking, leaving}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if ranking.done():
                return ranking.result()
            if leaving.done():
                raise RefusedError("Gone", "the client has gone")
            raise RefusedError("Timeout", f"not ranked within {seconds} seconds; send fewer texts")
        except InvalidInputError as error:
            raise RefusedError("Validation", str(error)) from error
        except ScoringError as error:
            logger.exception("scoring failed")
            raise RefusedError("Backend", "the model failed on this request") from error
        finally:
            ranking.cancel()
            leaving.cancel()


def _pieces(query: str, texts: Sequence[str]) -> Iterator[tuple[int, list[Pair]]]:
    """Cut pairs into pieces of a bounded number of characters, each with the place of its first."""
    start = characters = 0
    for place, text in enumerate(texts):
        characters += len(query) + len(text)
        if characters > COUNTED_CHARACTERS and place > start:
            yield start, [(query, each) for each in texts[start:place]]
            start, characters = place, len(query) + len(text)
    yield start, [(query, each) for each in texts[start:]]
