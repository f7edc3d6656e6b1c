"""`Reranker`: a scorer and a selection. Both framework adapters stand on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bge_rerank.inputs import checked_query, checked_texts
from bge_rerank.prefilter import Prefilter, check_prefilter
from bge_rerank.scoring import ascore_pairs, score_pairs
from bge_rerank.selection import check_selection, select
from bge_rerank.types import Pair, Ranked, Scorer


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
    ) -> None:
        """Keep scorers and how to select; nothing is loaded.

        Args:
            scorer: What scores the pairs, `load_scorer(...)` or an object of your own.
            top_n: How many texts to keep, from 1 on; `None` keeps all that were scored.
            score_threshold: The lowest score (0..1, inclusive) to keep, applied before `top_n`;
                `None` keeps all.
            prefilter: A cheaper scorer that sees the texts first, and leaves the `keep` best of
                each request to `scorer` (ties in input order): an object, `"bm25"`, or the name of
                a model such as `"mini"`. The others are not ranked, so with `top_n=None` a ranking
                holds `keep` texts. `None` leaves all.
            keep: How many texts of a request the prefilter leaves; where there are no more than
                that, it is not asked.

        Raises:
            ConfigurationError: `top_n`, `score_threshold`, `prefilter` or `keep` cannot work.
        """
        check_selection(top_n, score_threshold)
        check_prefilter(prefilter, keep, top_n)
        self.scorer = scorer
        self.top_n = top_n
        self.score_threshold = score_threshold
        self.prefilter = None if prefilter is None else Prefilter(prefilter, keep)

    def rerank(self, query: str, texts: Iterable[str]) -> list[Ranked]:
        """Rank texts for one query.

        Returns:
            The texts kept, best first: by logit, ties in input order. An index is a text's place
            in `texts`. Without texts, an empty list, and no model is loaded.

        Raises:
            InvalidInputError: The query is empty or white space, or a text is not a string.
            ModelLoadError: The model could not be loaded (on the first call).
            ScoringError: The scorer failed or gave a score that cannot be ranked.
        """
        return self.rerank_many([(query, texts)])[0]

    def rerank_many(self, requests: Iterable[tuple[str, Iterable[str]]]) -> list[list[Ranked]]:
        """Rank for many (query, texts) requests in one pass over all their pairs.

        Returns:
            A ranking per request, in input order, each as `rerank` gives it. Indices count within
            their request.

        Raises:
            As `rerank` does.
        """
        candidates = [_pairs(query, texts) for query, texts in requests]
        kept = self.prefilter.kept(candidates) if self.prefilter else _all(candidates)
        return self._rankings(kept, score_pairs(self.scorer, _flat(candidates, kept)))

    async def arerank(self, query: str, texts: Iterable[str]) -> list[Ranked]:
        """Rank as `rerank` does, without blocking the event loop.

        Calls that run at the same time share passes over a scorer of `load_scorer` (see
        `batch_wait_ms` there).
        """
        candidates = [_pairs(query, texts)]
        kept = await self.prefilter.akept(candidates) if self.prefilter else _all(candidates)
        return self._rankings(kept, await ascore_pairs(self.scorer, _flat(candidates, kept)))[0]

    def _rankings(
        self, kept: Sequence[Sequence[int]], logits: Iterable[float]
    ) -> list[list[Ranked]]:
        """Rank each request by its share of the logits, under the places that its texts came in."""
        remaining = iter(logits)
        return [self._ranking(places, remaining) for places in kept]

    def _ranking(self, places: Sequence[int], remaining: Iterator[float]) -> list[Ranked]:
        ranking = select([next(remaining) for _ in places], self.top_n, self.score_threshold)
        return [Ranked(places[ranked.index], ranked.score, ranked.logit) for ranked in ranking]


def _pairs(query: str, texts: Iterable[str]) -> list[Pair]:
    checked = checked_query(query)
    return [(checked, text) for text in checked_texts(texts)]


def _all(candidates: Sequence[Sequence[Pair]]) -> list[range]:
    return [range(len(pairs)) for pairs in candidates]


def _flat(candidates: Sequence[Sequence[Pair]], kept: Iterable[Sequence[int]]) -> list[Pair]:
    requests = zip(candidates, kept, strict=True)
    return [pairs[place] for pairs, places in requests for place in places]
