"""How far scores are from the reference: a fast row that ranks wrongly is to be seen as such."""

from __future__ import annotations

import math
from collections.abc import Sequence

HIGHEST = 30.0
"""A sigmoid of 1.0 in float32 is any logit from about 17 on."""


def logits_of(scores: Sequence[float], scale: str) -> list[float]:
    """Turn scores into logits.

    Args:
        scores: In any order.
        scale: `"logit"`, which is left as it is, or `"sigmoid"`.

    >>> logits_of([0.5, 1.0], "sigmoid")
    [0.0, 30.0]
    """
    return [_logit(score) for score in scores] if scale == "sigmoid" else list(scores)


def largest_difference(logits: Sequence[float], reference: Sequence[float]) -> float:
    """Return the largest difference between two lists of logits in the same order."""
    return max(abs(one - other) for one, other in zip(logits, reference, strict=True))


def kendall(scores: Sequence[float], reference: Sequence[float]) -> float | None:
    """Return Kendall's tau of two orders: 1 the same, -1 opposite; `None` where there is none.

    >>> kendall([3.0, 2.0, 1.0], [0.9, 0.5, 0.1])
    1.0
    """
    from scipy.stats import kendalltau

    tau = float(kendalltau(scores, reference).statistic)
    return None if math.isnan(tau) else round(tau, 6)


def _logit(probability: float) -> float:
    if probability <= 0 or probability >= 1:
        return math.copysign(HIGHEST, probability - 0.5)
    return math.log(probability / (1 - probability))
