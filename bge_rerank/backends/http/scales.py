"""From a server's scores to logits."""

from __future__ import annotations

from bge_rerank.backends.http.answers import UnusableAnswerError
from bge_rerank.backends.http.dialects import Scale
from bge_rerank.logits import to_logit


def logit_of(score: float, scale: Scale) -> float:
    """Return the logit of a server's score.

    Raises:
        UnusableAnswerError: A sigmoid lies outside 0..1.

    >>> logit_of(0.5, "sigmoid"), logit_of(-3.0, "logit")
    (0.0, -3.0)
    """
    if scale == "logit":
        return score
    if not 0.0 <= score <= 1.0:
        raise UnusableAnswerError(f"a score is {score}, and this server's lie in 0..1")
    return to_logit(score)
