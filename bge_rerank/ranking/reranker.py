"""`Reranker`: ranks texts by their relevance to a query. Both adapters use it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from bge_rerank.calibration.calibration import loaded_calibration, min_logit
from bge_rerank.errors import ConfigurationError
from bge_rerank.inputs import checked_query, checked_texts, shown_value
from bge_rerank.models.config import ModelOptions
from bge_rerank.models.options import declared, method_takes
from bge_rerank.ranking.budget import MeasuredRate, affordable_pieces, characters
from bge_rerank.ranking.options import RerankerOptions
from bge_rerank.ranking.pieces import Piece, best_pieces, whole_pieces, window_pieces
from bge_rerank.ranking.prefilter import Prefilter
from bge_rerank.ranking.result import Ranking
from bge_rerank.ranking.selection import select
from bge_rerank.ranking.tiers import Tier, scorer_name
from bge_rerank.scoring.asking import ascore_pairs, score_pairs
from bge_rerank.scoring.loading import load_scorer
from bge_rerank.types import Pair, Ranked, Scorer

Request = tuple[str, list[str]]
"""A checked query and its checked texts."""
Seconds = tuple[float, float]
"""The time of the prefilter, and the time of the scorer after it."""


class Reranker:
    """A model with the options of a ranking. It ranks texts by their relevance to a query.

    `rerank` ranks the texts of one query, `rerank_many` those of many queries in one pass, and
    `arerank` leaves the event loop free. Threads can share a reranker. Making one loads nothing; the
    first ranking loads the weights.

    >>> from bge_rerank import Reranker
    >>> reranker = Reranker("mini", top_n=1)
    >>> texts = ["Bread rises on yeast.", "The Moon's gravity raises the tides."]
    >>> [best] = reranker.rerank("what causes tides", texts)
    >>> best.index, texts[best.index]
    (1, "The Moon's gravity raises the tides.")
    >>> 0.0 < best.score < 1.0
    True
    """

    @method_takes(RerankerOptions)
    def __init__(self, *model: Any, **options: Any) -> None:
        """Take the options of `RerankerOptions`; nothing is loaded.

        The first parameter is the name of a model or a ready scorer: the result of `load_scorer`, or an
        object of your own with `score(pairs)`. The second is `top_n`, the third `score_threshold`. All
        other options are given by name.

        Raises:
            ConfigurationError: An option has a value that cannot work.
            CalibrationError: The calibration cannot be read, or does not reach `min_precision`.
            TypeError: An option does not exist.
        """
        self.options = RerankerOptions(*model, **options)
        self.scorer = _scorer(self.options)
        self.prefilter = self._prefilter()
        self.calibration = loaded_calibration(self.options.calibration)
        self.min_logit = min_logit(
            self.calibration, self.options.min_precision, self.options.precision_by
        )
        self._rate = MeasuredRate()

    def _prefilter(self) -> Prefilter | None:
        given = self.options.prefilter
        return None if given is None else Prefilter(given, self.options.keep)

    def rerank(self, query: str, texts: Iterable[str]) -> Ranking:
        """Rank the texts of one query.

        Args:
            query: The words to rank by.
            texts: The passages, in first-stage order.

        Returns:
            The texts kept, best first. The logit decides the order, and ties keep input order. With
            `rrf_k`, the fused score decides, and ties are ordered by logit. `Ranked.index` is the
            position in `texts`. Without texts, the ranking is empty and no model is loaded.

        Raises:
            InvalidInputError: The query is empty, or a text is not a string.
            ModelLoadError: The model cannot be loaded.
            MissingDependencyError: A package that the backend needs is not installed.
            ScoringError: The scorer fails, or returns a score that cannot be ranked.
            CalibrationError: The calibration was made for another scorer.
        """
        return self.rerank_many([(query, texts)])[0]

    def rerank_many(self, requests: Iterable[tuple[str, Iterable[str]]]) -> list[Ranking]:
        """Rank many requests in one pass over all their pairs.

        Args:
            requests: (query, texts) tuples.

        Returns:
            One ranking per request, in input order, as `rerank` returns it. Indices are positions in
            the texts of their own request. The seconds of tiers are those of the whole call.

        Raises:
            RerankError: As `rerank` does.
        """
        started = perf_counter()
        asked = [_checked(query, texts) for query, texts in requests]
        candidates = list(map(_pairs, asked))
        kept = self.prefilter.kept(candidates) if self.prefilter else _all(candidates)
        filtered = perf_counter()
        pieces = self._affordable(self._pieces(candidates, kept), started)
        with self._timed(pieces):
            logits = score_pairs(self.scorer, _pairs_of(pieces))
        seconds = (filtered - started, perf_counter() - filtered)
        return self._rankings(asked, kept, pieces, logits, seconds)

    async def arerank(self, query: str, texts: Iterable[str]) -> Ranking:
        """Rank as `rerank` does, without blocking the event loop.

        Concurrent calls share passes if the scorer comes from `load_scorer` (see its `batch_wait_ms`).
        """
        started = perf_counter()
        asked = [_checked(query, texts)]
        candidates = list(map(_pairs, asked))
        kept = await self.prefilter.akept(candidates) if self.prefilter else _all(candidates)
        filtered = perf_counter()
        if self.options.long_documents == "truncate":
            pieces = self._pieces(candidates, kept)
        else:  # cutting a long text takes time, and so does the first use of a tokenizer
            pieces = await asyncio.to_thread(self._pieces, candidates, kept)
        scored = self._affordable(pieces, started)
        with self._timed(scored):
            logits = await ascore_pairs(self.scorer, _pairs_of(scored))
        seconds = (filtered - started, perf_counter() - filtered)
        return self._rankings(asked, kept, scored, logits, seconds)[0]

    def _pieces(
        self, candidates: Sequence[Sequence[Pair]], kept: Sequence[Sequence[int]]
    ) -> list[list[Piece]]:
        """Return the pieces to score of the candidates kept, for each request."""
        requests = zip(candidates, kept, strict=True)
        if self.options.long_documents == "truncate":
            return [whole_pieces(pairs, places) for pairs, places in requests]
        return [
            window_pieces(self.scorer, pairs, places, self.options.window_tokens)
            for pairs, places in requests
        ]

    def _affordable(
        self, requests: Sequence[Sequence[Piece]], started: float
    ) -> Sequence[Sequence[Piece]]:
        """Return the pieces of each request that can be scored within its latency budget."""
        if self.options.latency_budget_ms is None:
            return requests
        left = self.options.latency_budget_ms / 1_000 - (perf_counter() - started)
        return [
            affordable_pieces(
                pieces,
                left,
                self._rate,
                least=self.options.top_n or 1,
                max_length=self._max_length(),
            )
            for pieces in requests
        ]

    @contextmanager
    def _timed(self, requests: Sequence[Sequence[Piece]]) -> Iterator[None]:
        started = perf_counter()
        yield
        if self.options.latency_budget_ms is None:
            return
        pieces = [piece for pieces in requests for piece in pieces]
        self._rate.note(characters(pieces, self._max_length()), perf_counter() - started)

    def _max_length(self) -> int | None:
        return getattr(self.scorer, "max_length", None)

    def _rankings(
        self,
        asked: Sequence[Request],
        kept: Sequence[Sequence[int]],
        requests: Sequence[Sequence[Piece]],
        logits: Iterable[float],
        seconds: Seconds,
    ) -> list[Ranking]:
        """Rank each request by its logits, with the positions of its texts in the input."""
        if self.calibration and any(requests):
            self.calibration.check(self.scorer)
        remaining = iter(logits)
        return [
            self._ranking(request, places, pieces, remaining, seconds)
            for request, places, pieces in zip(asked, kept, requests, strict=True)
        ]

    def _ranking(
        self,
        request: Request,
        places: Sequence[int],
        pieces: Sequence[Piece],
        remaining: Iterator[float],
        seconds: Seconds,
    ) -> Ranking:
        query, texts = request
        ranked = self._ranked(pieces, remaining)
        unscored = _unscored(places, pieces)
        scored = len(places) - len(unscored)
        tiers = [Tier(scorer_name(self.scorer), scored, len(ranked), seconds[1])]
        if self.prefilter:
            name = scorer_name(self.prefilter.scorer)
            tiers = [Tier(name, len(texts), len(places), seconds[0]), *tiers]
        return Ranking(ranked, query, texts, unscored, tiers)

    def _ranked(self, pieces: Sequence[Piece], remaining: Iterator[float]) -> list[Ranked]:
        best = best_pieces(pieces, [next(remaining) for _ in pieces])
        logits = [logit for _, logit in best]
        ranking = select(logits, self.options, self.min_logit)
        ranked_pieces = ((best[ranked.index][0], ranked) for ranked in ranking)
        return [
            Ranked(
                piece.place,
                ranked.score,
                ranked.logit,
                piece.span,
                self._probability(ranked.logit),
                ranked.fused,
            )
            for piece, ranked in ranked_pieces
        ]

    def _probability(self, logit: float) -> float | None:
        return None if self.calibration is None else self.calibration.probability(logit)


def _scorer(options: RerankerOptions) -> Scorer:
    """Return the given scorer, or a scorer of the named model."""
    given: object = options.model_name
    of_model = {each.name: getattr(options, each.name) for each in declared(ModelOptions)}
    if isinstance(given, str):
        return load_scorer(**of_model)
    if not isinstance(given, Scorer):
        raise ConfigurationError(
            f"model_name is {shown_value(given)}; "
            "pass the name of a model, or a scorer: an object with score(pairs)"
        )
    for each in declared(ModelOptions)[1:]:
        if of_model[each.name] != each.default:
            raise ConfigurationError(
                f"{each.name} has no effect on a ready scorer; pass it to load_scorer, "
                "or pass the name of a model instead of the scorer"
            )
    return given


def _checked(query: str, texts: Iterable[str]) -> Request:
    return checked_query(query), checked_texts(texts)


def _pairs(request: Request) -> list[Pair]:
    query, texts = request
    return [(query, text) for text in texts]


def _all(candidates: Sequence[Sequence[Pair]]) -> list[range]:
    return [range(len(pairs)) for pairs in candidates]


def _unscored(places: Sequence[int], pieces: Sequence[Piece]) -> list[int]:
    scored = {piece.place for piece in pieces}
    return [place for place in places if place not in scored]


def _pairs_of(requests: Iterable[Sequence[Piece]]) -> list[Pair]:
    return [piece.pair for pieces in requests for piece in pieces]
