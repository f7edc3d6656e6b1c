"""`choose_depth`: the smallest depth that is about as good as the best one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from bge_rerank.evaluation.tally import SAME


@dataclass(frozen=True, slots=True)
class DepthChoice:
    """What depth to rerank at.

    Attributes:
        depth: The one recommended.
        best: The one of the highest mean, to which it was compared; itself where none is smaller.
    """

    depth: int
    best: int


def choose_depth(
    values: Mapping[int, Sequence[float]], worth_it: Collection[int]
) -> DepthChoice | None:
    """Choose by the one-standard-error rule, over the depths at which reranking is worth it.

    The smallest depth whose mean is no more than one standard error below the best mean: Breiman,
    Friedman, Olshen and Stone, "Classification and Regression Trees" (1984), section 3.4.3, who choose
    the simplest model so. The standard error is that of the paired difference, as the same queries were
    ranked at each depth. (To ask instead whether a depth is shown to be worse, with 95 % confidence,
    would give up more quality the fewer queries there are.)

    The best need not be the deepest: quality can fall as a reranker sees more candidates (Jacob et al.,
    "Drowning in Documents", 2024, arXiv 2411.11767).

    Args:
        values: Of each depth, nDCG@k a query, the queries in one order; two or more.
        worth_it: The depths to choose from, at which reranking helps and is fast enough.

    Returns:
        The choice; `None` where there is nothing to choose from.

    >>> choose_depth({5: [0.2, 0.3, 0.1], 10: [0.5, 0.5, 0.5], 20: [0.6, 0.4, 0.5]}, {5, 10, 20})
    DepthChoice(depth=10, best=10)
    """
    if not worth_it:
        return None
    ascending = sorted(worth_it)
    best = max(ascending, key=lambda depth: round(fmean(values[depth]) / SAME))
    close = (depth for depth in ascending if is_close(values[depth], values[best]))
    return DepthChoice(next(close), best)


def is_close(values: Sequence[float], best: Sequence[float]) -> bool:
    """Say whether a mean is no more than one standard error of the paired difference below another.

    >>> is_close([0.5, 0.5, 0.5], [0.5, 0.8, 0.5]), is_close([0.5, 0.5, 0.5], [0.7, 0.8, 0.7])
    (True, False)
    """
    losses = [high - low for low, high in zip(values, best, strict=True)]
    return fmean(losses) <= stdev(losses) / sqrt(len(losses)) + SAME
