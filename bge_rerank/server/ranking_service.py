"""`RankingService` ranks the texts of checked requests: in shared passes, within limits, and cancellable."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from bge_rerank.backends.encoder.tokens import TokensOf
from bge_rerank.errors import InvalidInputError, ScoringError
from bge_rerank.ranking.reranker import Reranker
from bge_rerank.scoring.gathering import GatheringScorer
from bge_rerank.scoring.piecewise import PiecewiseScorer
from bge_rerank.server.metrics import Metrics
from bge_rerank.server.options import Limits
from bge_rerank.server.refusals import RefusedError
from bge_rerank.server.tokens import tokens_in_json
from bge_rerank.types import Pair, Ranked, Scorer

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

COUNTED_CHARACTERS = 500_000
"""The maximum number of characters in one count of tokens. A count of this size takes a quarter of a second, and
cannot be stopped."""


class RankingService:
    """A ranker for many clients at a time.

    Small requests share passes of at most `pass_pairs` pairs. Larger requests take turns with them, so
    no request waits longer than one pass for another.
    """

    def __init__(
        self,
        scorer: Scorer,
        limits: Limits,
        pass_pairs: int,
        wait_ms: float,
        metrics: Metrics | None = None,
    ) -> None:
        """Put a scorer behind a queue.

        Args:
            scorer: A scorer whose weights are loaded.
            limits: The limits of requests.
            pass_pairs: The maximum number of pairs in a shared pass.
            wait_ms: The milliseconds that the first request of a pass waits for others.
            metrics: Counts requests and passes; `None` makes some.
        """
        self.limits = limits
        self.metrics = metrics or Metrics()
        gathering = GatheringScorer(scorer, wait_ms, pass_pairs, self.metrics.passed)
        # If the scorer cannot alternate between calls batch by batch, large calls are cut into pieces here.
        takes_turns = getattr(scorer, "takes_turns", False)
        fair = gathering if takes_turns else PiecewiseScorer(gathering, pass_pairs)
        self._reranker = Reranker(fair, top_n=None)
        self._waiting = 0
        # One count of tokens at a time, because passes need the threads too.
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

        Args:
            query: The query.
            texts: The texts to rank.
            gone: A function that returns when the client disconnects. Scoring then stops.
            truncate: False refuses pairs that are longer than the model takes.

        Raises:
            RefusedError: The request is too large, the queue is full, the request took too long, the client
                disconnected, or scoring failed.
        """
        with self.metrics.request():
            self._check(query, texts)
            with self._room_for(len(texts)):
                return await self._in_time(self._ranked(query, texts, truncate=truncate), gone)

    async def tokens(
        self, texts: Sequence[str], gone: Callable[[], Awaitable[object]], *, special: bool
    ) -> bytes:
        """Return the tokens of texts, as JSON in TEI's format.

        Args:
            texts: The texts. Together they may have as many characters as one text of a ranking.
            gone: A function that returns when the client disconnects.
            special: Whether to add the special tokens of a single text.

        Raises:
            RefusedError: As `rank` does, or the model does not tell its tokens.
        """
        self._check("", texts)
        characters = sum(map(len, texts))
        if characters > self.limits.max_characters:
            raise RefusedError(
                "TooLarge",
                f"the texts have {characters} characters together; send {self.limits.max_characters} or fewer to "
                "/tokenize",
            )
        with self._room_for(len(texts)):
            return await self._in_time(self._tokens(texts, special=special), gone)

    async def _tokens(self, texts: Sequence[str], *, special: bool) -> bytes:
        tokens_of: TokensOf | None = getattr(self._reranker.scorer, "tokens_of", None)
        if tokens_of is None:
            raise RefusedError(
                "Validation",
                "this model does not tell its tokens; use backend torch, openvino or onnx",
            )
        lists: list[bytes] = []
        for _, piece in _pieces("", texts):
            some = [text for _, text in piece]
            async with self._counting:
                lists += await asyncio.to_thread(tokens_in_json, tokens_of, some, special=special)
        return b"[" + b",".join(lists) + b"]"

    def _check(self, query: str, texts: Sequence[str]) -> None:
        limits = self.limits
        for place, text in enumerate((query, *texts), -1):
            if len(text) > limits.max_characters:
                name = "the query" if place < 0 else f"text {place}"
                raise RefusedError(
                    "Validation",
                    f"{name} has {len(text)} characters; send {limits.max_characters} or fewer",
                )

    async def _refuse_cut(self, query: str, texts: Sequence[str]) -> None:
        tokens_cut = getattr(self._reranker.scorer, "tokens_cut", None)
        if tokens_cut is None:
            raise RefusedError(
                "Validation",
                "this model cannot tell which texts are too long; send truncate: true",
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
            raise RefusedError("Overloaded", "the server is overloaded; try again in a second")
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
        self, answer: Coroutine[Any, Any, Answer], gone: Callable[[], Awaitable[object]]
    ) -> Answer:
        seconds = self.limits.max_seconds
        ranking = asyncio.ensure_future(answer)
        leaving = asyncio.ensure_future(gone())
        try:
            await asyncio.wait(
                {ranking, leaving}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if ranking.done():
                return ranking.result()
            if leaving.done():
                raise RefusedError("Gone", "the client disconnected")
            raise RefusedError(
                "Timeout", f"the texts were not ranked within {seconds} seconds; send fewer texts"
            )
        except InvalidInputError as error:
            raise RefusedError("Validation", str(error)) from error
        except ScoringError as error:
            logger.exception("scoring failed")
            raise RefusedError(
                "Backend", "the model failed on this request; the server's log says why"
            ) from error
        finally:
            ranking.cancel()
            leaving.cancel()


def _pieces(query: str, texts: Sequence[str]) -> Iterator[tuple[int, list[Pair]]]:
    """Cut pairs into pieces of at most `COUNTED_CHARACTERS`. Yield each with the index of its first text."""
    start = characters = 0
    for place, text in enumerate(texts):
        characters += len(query) + len(text)
        if characters > COUNTED_CHARACTERS and place > start:
            yield start, [(query, each) for each in texts[start:place]]
            start, characters = place, len(query) + len(text)
    yield start, [(query, each) for each in texts[start:]]
