"""`Reranker`: a scorer and a selection. Both framework adapters stand on it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from time import perf_counter

from bge_rerank.calibration.calibration import (
    Calibration,
    PrecisionBy,
    loaded_calibration,
    min_logit,
)
from bge_rerank.inputs import checked_query, checked_texts
from bge_rerank.ranking.budget import (
    MeasuredRate,
    affordable_pieces,
    characters,
    check_budget,
)
from bge_rerank.ranking.fusion import RRF_K, Fusion, check_fusion
from bge_rerank.ranking.pieces import (
    WINDOW_TOKENS,
    LongDocuments,
    Piece,
    best_pieces,
    check_windows,
    whole_pieces,
    window_pieces,
)
from bge_rerank.ranking.prefilter import Prefilter, check_prefilter
from bge_rerank.ranking.result import Ranking
from bge_rerank.ranking.selection import check_selection, select
from bge_rerank.ranking.tiers import Tier, scorer_name
from bge_rerank.scoring.asking import ascore_pairs, score_pairs
from bge_rerank.types import Pair, Ranked, Scorer

Request = tuple[str, list[str]]
"""A query and its texts, checked."""
Seconds = tuple[float, float]
"""What the prefilter took, and the scorer after it."""


class Reranker:
    """Rank texts by their relevance to a query.

    >>> from bge_rerank import Reranker, load_scorer
    >>> reranker = Reranker(load_scorer("mini"), top_n=1)
    >>> texts = ["Bread rises on yeast.", "The Moon's gravity raises the tides."]
    >>> [ranked.index for ranked in reranker.rerank("what causes tides", texts)]
    [1]
    """

    def __init__(
        self,
        scorer: Scorer,
        top_n: int | None = 3,
        score_threshold: float | None = None,
        *,
        prefilter: Scorer | str | None = None,
        keep: int = 100,
        long_documents: LongDocuments = "truncate",
        window_tokens: int = WINDOW_TOKENS,
        latency_budget_ms: float | None = None,
        rate: MeasuredRate | None = None,
        calibration: Calibration | str | PathLike[str] | None = None,
        min_precision: float | None = None,
        precision_by: PrecisionBy = "bound",
        fusion: Fusion | None = None,
        rrf_k: int = RRF_K,
    ) -> None:
        """Keep scorers and how to select; nothing is loaded.

        Args:
            scorer: What scores the pairs, `load_scorer(...)` or an object of your own.
            top_n: How many texts to keep, from 1 on; `None` keeps all that were scored.
            score_threshold: The lowest score (0..1, inclusive) to keep, applied before `top_n`;
                `None` keeps all.
            prefilter: A cheaper scorer that sees the texts first, and leaves the `keep` best of
                each request to `scorer` (ties in input order): an object, `"bm25"`, `"bge-m3"` (the
                lexical weights of that embedder), or the name of a model such as `"mini"`. The others are not ranked, so with `top_n=None` a ranking
                holds `keep` texts. `None` leaves all.
            keep: How many texts of a request the prefilter leaves; where there are no more than
                that, it is not asked.
            long_documents: `"truncate"` leaves out what of a text does not fit beside the query;
                `"window"` scores it in overlapping windows that fit, and gives it the score of the
                best one, with the window's place as `span`.
            window_tokens: The most tokens of a window and the query together; never more than the
                scorer's own longest pair.
            latency_budget_ms: Score no more of the first candidates than can be scored in so many
                milliseconds, as earlier calls went, but `top_n` at least. The ranking's `unscored`
                names the others. The first calls score ten.
            rate: What earlier calls measured, to go on with; `None` begins anew.
            calibration: What gives each text a `probability`, or the file that `bge-rerank calibrate`
                wrote; it must be of this scorer, which is checked when there are scores.
            min_precision: The precision (0..1) to keep by the calibration's threshold, before `top_n`
                and beside `score_threshold`; it holds with the calibration's confidence.
            precision_by: `"estimate"` takes the threshold at which that precision was seen: about so
                much is kept, where the labels are too few for a promise
                (`Calibration.precision_estimate` says what it is not below).
            fusion: `"rrf"` orders by reciprocal rank fusion of two ranks from 1 among the texts that
                were scored: the reranker's, and the first stage's, which is taken from the order of
                the texts. Thresholds stay with score and logit; `top_n` cuts the fused order.
            rrf_k: Its constant, from 1 on; the higher, the less the first ranks stand out.

        Raises:
            ConfigurationError: A value cannot work; a `CalibrationError` where it is the calibration.
        """
        check_selection(top_n, score_threshold)
        check_prefilter(prefilter, keep, top_n)
        check_windows(long_documents, window_tokens)
        check_budget(latency_budget_ms)
        check_fusion(fusion, rrf_k)
        self.scorer = scorer
        self.top_n = top_n
        self.score_threshold = score_threshold
        self.prefilter = None if prefilter is None else Prefilter(prefilter, keep)
        self.long_documents = long_documents
        self.window_tokens = window_tokens
        self.latency_budget_ms = latency_budget_ms
        self.rate = rate or MeasuredRate()
        self.calibration = loaded_calibration(calibration)
        self.min_logit = min_logit(self.calibration, min_precision, precision_by)
        self.fusion = fusion
        self.rrf_k = rrf_k

    def rerank(self, query: str, texts: Iterable[str]) -> Ranking:
        """Rank texts for one query.

        Returns:
            The texts kept, best first: by logit, ties in input order; with `fusion` by the fused
            score, ties by logit. An index is a text's place in `texts`. Without texts, an empty list,
            and no model is loaded. It shows itself in notebooks, by `rich.print`, and by its
            `bump_chart()`; its `tiers` say what prefilter and scorer kept, and how long they took.

        Raises:
            InvalidInputError: The query is empty or white space, or a text is not a string.
            ModelLoadError: The model could not be loaded (on the first call).
            ScoringError: The scorer failed or gave a score that cannot be ranked.
            CalibrationError: The calibration was made for another scorer.
        """
        return self.rerank_many([(query, texts)])[0]

    def rerank_many(self, requests: Iterable[tuple[str, Iterable[str]]]) -> list[Ranking]:
        """Rank for many (query, texts) requests in one pass over all their pairs.

        Returns:
            A ranking per request, in input order, each as `rerank` gives it. Indices count within
            their request; the seconds of their tiers are those of the whole call.

        Raises:
            As `rerank` does.
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

        Calls that run at the same time share passes over a scorer of `load_scorer` (see
        `batch_wait_ms` there).
        """
        started = perf_counter()
        asked = [_checked(query, texts)]
        candidates = list(map(_pairs, asked))
        kept = await self.prefilter.akept(candidates) if self.prefilter else _all(candidates)
        filtered = perf_counter()
        if self.long_documents == "truncate":
            pieces = self._pieces(candidates, kept)
        else:  # a long text takes its time, and so does a tokenizer's first use
            pieces = await asyncio.to_thread(self._pieces, candidates, kept)
        scored = self._affordable(pieces, started)
        with self._timed(scored):
            logits = await ascore_pairs(self.scorer, _pairs_of(scored))
        seconds = (filtered - started, perf_counter() - filtered)
        return self._rankings(asked, kept, scored, logits, seconds)[0]

    def _pieces(
        self, candidates: Sequence[Sequence[Pair]], kept: Sequence[Sequence[int]]
    ) -> list[list[Piece]]:
        """Return what is scored of the candidates kept, for each request."""
        requests = zip(candidates, kept, strict=True)
        if self.long_documents == "truncate":
            return [whole_pieces(pairs, places) for pairs, places in requests]
        return [
            window_pieces(self.scorer, pairs, places, self.window_tokens)
            for pairs, places in requests
        ]

    def _affordable(
        self, requests: Sequence[Sequence[Piece]], started: float
    ) -> Sequence[Sequence[Piece]]:
        """Return of each request what can be scored in the time that its budget has left."""
        if self.latency_budget_ms is None:
            return requests
        left = self.latency_budget_ms / 1_000 - (perf_counter() - started)
        return [
            affordable_pieces(
                pieces, left, self.rate, least=self.top_n or 1, max_length=self._max_length()
            )
            for pieces in requests
        ]

    @contextmanager
    def _timed(self, requests: Sequence[Sequence[Piece]]) -> Iterator[None]:
        started = perf_counter()
        yield
        if self.latency_budget_ms is None:
            return
        pieces = [piece for pieces in requests for piece in pieces]
        self.rate.note(characters(pieces, self._max_length()), perf_counter() - started)

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
        """Rank each request by its share of the logits, under the places that its texts came in."""
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
        rrf_k = None if self.fusion is None else self.rrf_k
        ranking = select(logits, self.top_n, self.score_threshold, self.min_logit, rrf_k)
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
