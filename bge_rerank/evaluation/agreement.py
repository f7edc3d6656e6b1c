"""Agreement of a reranker with the first stage: the ranks that its first passages had before.

If the first stage ranks those passages low, it has probably left others below the depth, where no
reranker sees them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import correlation, fmean

from bge_rerank.evaluation.result import Agreement, ModelResult
from bge_rerank.evaluation.verdict import ENOUGH_QUERIES

FIRST = 10
"""The number of the reranker's first passages to look for."""
WITHIN = 50
"""The number of the first stage's first passages to look among."""
LOWEST_SHARE = 0.6
"""Below this share, the report warns of the first stage. It is a rule of thumb without a proof."""


def query_agreement(places: Sequence[int], candidates: int) -> Agreement:
    """Return the agreement on one query.

    Args:
        places: For each passage that the reranker kept, in its order: the position, from 0, in the
            first stage's order.
        candidates: How many passages were reranked.

    >>> query_agreement([60, 2, 0, 1], candidates=100)
    Agreement(share=0.75, rank_correlation=-0.8)
    >>> query_agreement([0, 1, 2], candidates=50)
    Agreement(share=None, rank_correlation=1.0)
    """
    return Agreement(_share(places, candidates), _rank_correlation(places))


def mean_agreement(shares: Sequence[float], correlations: Sequence[float]) -> Agreement:
    """Return the means over the queries; a mean of fewer than 30 values is `None`."""
    return Agreement(_mean(shares), _mean(correlations))


def disagreement_notes(models: Iterable[ModelResult]) -> list[str]:
    """Return a warning for each model that disagrees with the first stage."""
    return [
        f"{100 * model.agreement.share:.1f} % of the first {FIRST} passages of {model.name} are among "
        f"the first stage's first {WITHIN}, less than {100 * LOWEST_SHARE:.0f} % (a rule of thumb, not "
        "a proven bound). If the model raises the measures, the first stage may have left more good "
        "passages below the depth: retrieve deeper, or try another embedder"
        for model in models
        if model.agreement
        and model.agreement.share is not None
        and model.agreement.share < LOWEST_SHARE
    ]


def _share(places: Sequence[int], candidates: int) -> float | None:
    """Return the share of the first places below `WITHIN`; `None` if all candidates are."""
    if candidates <= WITHIN or not places:
        return None
    return fmean(place < WITHIN for place in places[:FIRST])


def _rank_correlation(places: Sequence[int]) -> float | None:
    """Return Spearman's correlation: Pearson's of the ranks, which have no ties."""
    if len(places) < 2:  # noqa: PLR2004 - one passage has no order to compare
        return None
    ranks = {place: rank for rank, place in enumerate(sorted(places))}
    return correlation([ranks[place] for place in places], range(len(places)))


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if len(values) >= ENOUGH_QUERIES else None
