"""What a share is not below on data like these: one-sided Clopper-Pearson bounds over queries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
"""Query numbers, from 0 on: pairs with the same one are of the same query."""


def clopper_pearson_lower(share: float, count: float, confidence: float) -> float:
    """Return what the true share is not below, with a one-sided confidence (0..1).

    The exact bound of Clopper and Pearson (1934), as a quantile of the beta distribution; `count`
    need be no whole number.

    >>> round(clopper_pearson_lower(1.0, 29, 0.95), 4)  # 0.05 ** (1 / 29)
    0.9019
    """
    hits = share * count
    if hits <= 0.0:
        return 0.0
    return float(betaincinv(hits, count - hits + 1.0, 1.0 - confidence))


def effective_count(outcomes: Bools, queries: Ints) -> float:
    """Return how many independent pairs tell as much of a share as these, which come by queries.

    The smaller of two: Kish's (1965, "Survey Sampling"), as if all pairs of a query had one
    outcome; and that of Korn and Graubard (1998, "Confidence intervals for proportions with small
    expected number of positive counts estimated from survey data"), by the variance between
    queries, which tells where the share depends on how many pairs a query has.

    Args:
        outcomes: Of each pair, at least one.
        queries: The query's number of each pair.

    >>> effective_count(np.array([True, True, False, False]), np.array([0, 0, 1, 1]))
    2.0
    """
    _, places, sizes = np.unique(queries, return_inverse=True, return_counts=True)
    total, share = len(outcomes), float(outcomes.mean())
    kish = total**2 / float((sizes**2).sum())
    if len(sizes) == 1 or share in (0.0, 1.0):
        return kish
    residuals = np.bincount(places, weights=outcomes) - share * sizes
    variance = float((residuals**2).sum()) / total**2
    return min(kish, share * (1 - share) / variance) if variance > 0.0 else kish


def lower_bound(outcomes: Bools, queries: Ints, confidence: float) -> float:
    """Return what the share of true outcomes is not below; 0 where there are none.

    >>> lower_bound(np.array([], dtype=bool), np.array([], dtype=int), 0.95)
    0.0
    """
    if not len(outcomes):
        return 0.0
    share = float(outcomes.mean())
    return clopper_pearson_lower(share, effective_count(outcomes, queries), confidence)


def precision_bound(
    logits: Floats, relevant: Bools, queries: Ints, threshold: float, confidence: float
) -> float:
    """Return what the share of relevant pairs among those from `threshold` (a logit) on is not below."""
    kept = logits >= threshold
    return lower_bound(relevant[kept], queries[kept], confidence)


def recall_bound(
    logits: Floats, relevant: Bools, queries: Ints, threshold: float, confidence: float
) -> float:
    """Return what the share of the relevant pairs that lie from `threshold` on is not below."""
    return lower_bound((logits >= threshold)[relevant], queries[relevant], confidence)
