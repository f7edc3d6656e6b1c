"""From a server's scores to logits."""

from __future__ import annotations

import math

from bge_rerank.backends.http.answers import UnusableAnswerError
from bge_rerank.backends.http.dialects import Scale

SMALLEST, LARGEST = math.nextafter(0, 1), math.nextafter(1, 0)


def to_logit(score: float, scale: Scale) -> float:
    """Return the logit of a server's score.

    Raises:
        UnusableAnswerError: A sigmoid lies outside 0..1.

    >>> to_logit(0.5, "sigmoid"), to_logit(-3.0, "logit")
    (0.0, -3.0)
    >>> round(to_logit(1.0, "sigmoid"), 1)
    36.7
    """
    if scale == "logit":
        return score
    if not 0.0 <= score <= 1.0:
        raise UnusableAnswerError(f"a score is {score}, and this server's lie in 0..1")
    inside = min(max(score, SMALLEST), LARGEST)
    return math.log(inside) - math.log1p(-inside)
