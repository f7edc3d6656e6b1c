"""`Prefilter`: a cheaper scorer that chooses the candidates for the main scorer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice

from bge_rerank.backends.bm25 import Bm25Scorer
from bge_rerank.scoring.asking import ascore_pairs, score_pairs
from bge_rerank.scoring.loading import load_scorer
from bge_rerank.types import Pair, Scorer


class Prefilter:
    """A cheaper scorer that chooses the candidates of each request for the main scorer.

    >>> class Lengths:
    ...     def score(self, pairs, /):
    ...         return [len(passage) for _, passage in pairs]
    >>> Prefilter(Lengths(), keep=2).kept([[("q", "a"), ("q", "ccc"), ("q", "bb")], [("r", "a")]])
    [[1, 2], [0]]
    """

    def __init__(self, scorer: Scorer | str, keep: int) -> None:
        """Make a prefilter; nothing is loaded.

        Args:
            scorer: A scorer, `"bm25"`, `"bge-m3"` (the lexical weights of BAAI's embedder), or the
                name of a model for `load_scorer`.
            keep: The number of candidates to keep of each request, 1 or more.
        """
        self.scorer = _scorer(scorer)
        self.keep = keep

    def kept(self, requests: Sequence[Sequence[Pair]]) -> list[list[int]]:
        """Choose the best `keep` candidates of each request that has more.

        Args:
            requests: The pairs of each request.

        Returns:
            For each request, the positions of the candidates kept, ascending.

        Raises:
            ScoringError: The scorer failed.
        """
        return self._choose(requests, [score_pairs(self.scorer, p) for p in self._passes(requests)])

    async def akept(self, requests: Sequence[Sequence[Pair]]) -> list[list[int]]:
        """Choose as `kept` does, without blocking the event loop."""
        passes = self._passes(requests)
        return self._choose(requests, [await ascore_pairs(self.scorer, p) for p in passes])

    def _passes(self, requests: Sequence[Sequence[Pair]]) -> list[Sequence[Pair]]:
        """Return the pairs of each call: one call for all, unless scores compare only within a call."""
        crowded = [pairs for pairs in requests if len(pairs) > self.keep]
        if getattr(self.scorer, "compares_within_call", False):
            return crowded
        return [[*chain.from_iterable(crowded)]]

    def _choose(
        self, requests: Sequence[Sequence[Pair]], logits: Iterable[Iterable[float]]
    ) -> list[list[int]]:
        scores = chain.from_iterable(logits)
        return [
            best_places(list(islice(scores, len(pairs))), self.keep)
            if len(pairs) > self.keep
            else list(range(len(pairs)))
            for pairs in requests
        ]


def best_places(scores: Sequence[float], keep: int) -> list[int]:
    """Return the positions of the `keep` highest scores, ascending. The first of equal scores win.

    >>> best_places([0.5, 2.0, 0.5, 1.0], keep=3)
    [0, 1, 3]
    """
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    return sorted(order[:keep])


def _scorer(scorer: Scorer | str) -> Scorer:
    if not isinstance(scorer, str):
        return scorer
    if scorer == "bm25":
        return Bm25Scorer()
    return load_scorer("BAAI/bge-m3", "m3-sparse") if scorer == "bge-m3" else load_scorer(scorer)
