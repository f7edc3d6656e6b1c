"""`Reranker`: a scorer and a selection. Both framework adapters stand on it."""

from __future__ import annotations

from collections.abc import Iterable

from bge_rerank.inputs import checked_query, checked_texts
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
        self, scorer: Scorer, top_n: int | None = 3, score_threshold: float | None = None
    ) -> None:
        """Keep a scorer and how to select; nothing is loaded.

        Args:
            scorer: What scores the pairs, `load_scorer(...)` or an object of your own.
            top_n: How many texts to keep, from 1 on; `None` keeps all.
            score_threshold: The lowest score (0..1, inclusive) to keep, applied before `top_n`;
                `None` keeps all.

        Raises:
            ConfigurationError: `top_n` or `score_threshold` cannot work.
        """
        check_selection(top_n, score_threshold)
        self.scorer = scorer
        self.top_n = top_n
        self.score_threshold = score_threshold

    def rerank(self, query: str, texts: Iterable[str]) -> list[Ranked]:
        """Rank texts for one query.

        Returns:
            The texts kept, best first: by logit, ties in input order. Without texts, an empty
            list, and no model is loaded.

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
        pairs_by_request = [_pairs(query, texts) for query, texts in requests]
        logits = iter(
            score_pairs(self.scorer, [pair for pairs in pairs_by_request for pair in pairs])
        )
        return [self._select([next(logits) for _ in pairs]) for pairs in pairs_by_request]

    async def arerank(self, query: str, texts: Iterable[str]) -> list[Ranked]:
        """Rank as `rerank` does, without blocking the event loop."""
        return self._select(await ascore_pairs(self.scorer, _pairs(query, texts)))

    def _select(self, logits: list[float]) -> list[Ranked]:
        return select(logits, self.top_n, self.score_threshold)


def _pairs(query: str, texts: Iterable[str]) -> list[Pair]:
    checked = checked_query(query)
    return [(checked, text) for text in checked_texts(texts)]
