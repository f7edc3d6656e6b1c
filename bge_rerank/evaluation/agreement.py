"""How far the first stage and a reranker agree: where the reranker's favourites stood before.

An embedder that ranks them low has probably left others below the depth, where no reranker sees them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import correlation, fmean

from bge_rerank.evaluation.result import Agreement, ModelResult
from bge_rerank.evaluation.verdict import ENOUGH_QUERIES

FIRST = 10
"""How many of the reranker's first passages are looked up."""
WITHIN = 50
"""Among how many of the first stage's first passages."""
LOWEST_SHARE = 0.6
"""A rule of thumb, without a proof: below it, look at the embedder."""


def query_agreement(places: Sequence[int], candidates: int) -> Agreement:
    """Return the agreement on one query.

    Args:
        places: The places, from 0, that the passages had in the first stage's order: those that the
            reranker kept, in its order.
        candidates: How many passages were reranked.

    >>> query_agreement([60, 2, 0, 1], candidates=100)
    Agreement(share=0.75, rank_correlation=-0.8)
    >>> query_agreement([0, 1, 2], candidates=50)
    Agreement(share=None, rank_correlation=1.0)
    """
    return Agreement(_share(places, candidates), _rank_correlation(places))


def mean_agreement(shares: Sequence[float], correlations: Sequence[float]) -> Agreement:
    """Return the means over the queries, `None` for that which too few queries can tell."""
    return Agreement(_mean(shares), _mean(correlations))


def disagreement_notes(models: Iterable[ModelResult]) -> list[str]:
    """Return a warning for each model that disagrees with the first stage."""
    return [
        f"{model.name}: {model.agreement.share:.1%} of its first {FIRST} passages are within the "
        f"first stage's first {WITHIN}, under {LOWEST_SHARE:.0%} (a rule of thumb, no proven bound); "
        "where the model raises the measures, the first stage ranks low what answers best, and more "
        "of that may lie below the depth: retrieve deeper, or try another embedder"
        for model in models
        if model.agreement
        and model.agreement.share is not None
        and model.agreement.share < LOWEST_SHARE
    ]


def _share(places: Sequence[int], candidates: int) -> float | None:
    """Return the share of the first places that are near the front, if any could be elsewhere."""
    if candidates <= WITHIN or not places:
        return None
    return fmean(place < WITHIN for place in places[:FIRST])


def _rank_correlation(places: Sequence[int]) -> float | None:
    """Return Spearman's: Pearson's of the ranks, which have no ties."""
    if len(places) < 2:  # noqa: PLR2004 - one passage has no order
        return None
    ranks = {place: rank for rank, place in enumerate(sorted(places))}
    return correlation([ranks[place] for place in places], range(len(places)))


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if len(values) >= ENOUGH_QUERIES else None
