"""Lower confidence bounds on precision and recall: one-sided Clopper-Pearson bounds over queries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
"""The query number of each pair, from 0. Pairs with the same number are of the same query."""


def clopper_pearson_lower(share: float, count: float, confidence: float) -> float:
    """Return the lower confidence bound on a share, one-sided.

    This is the exact bound of Clopper and Pearson (1934), as a quantile of the beta distribution.

    Args:
        share: The measured share, 0..1.
        count: The number of outcomes; it need not be a whole number.
        confidence: The confidence of the bound, 0..1.

    >>> round(clopper_pearson_lower(1.0, 29, 0.95), 4)  # 0.05 ** (1 / 29)
    0.9019
    """
    hits = share * count
    if hits <= 0.0:
        return 0.0
    return float(betaincinv(hits, count - hits + 1.0, 1.0 - confidence))


def effective_count(outcomes: Bools, queries: Ints) -> float:
    """Return the number of independent pairs that tell as much about a share as these pairs do.

    Pairs of one query are not independent. The result is the smaller of two counts:

    - Kish's (1965, "Survey Sampling"), which assumes that all pairs of a query have one outcome.
    - Korn and Graubard's (1998, "Confidence intervals for proportions with small expected number of
      positive counts estimated from survey data"). It uses the variance between queries. It is the
      smaller one if the share depends on the number of pairs of a query.

    Args:
        outcomes: The outcome of each pair; at least one.
        queries: The query number of each pair.

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
    """Return the lower confidence bound on the share of true outcomes; 0 without outcomes.

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
    """Return the lower confidence bound on the precision of the pairs with a logit of `threshold` or more."""
    kept = logits >= threshold
    return lower_bound(relevant[kept], queries[kept], confidence)


def recall_bound(
    logits: Floats, relevant: Bools, queries: Ints, threshold: float, confidence: float
) -> float:
    """Return the lower confidence bound on the recall of the pairs with a logit of `threshold` or more."""
    return lower_bound((logits >= threshold)[relevant], queries[relevant], confidence)
