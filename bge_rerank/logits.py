"""Between the logit, any real number, and the score, 0 to 1."""

from __future__ import annotations

import math


def sigmoid(logit: float) -> float:
    """Map a logit to 0..1 without overflow at either end.

    >>> sigmoid(0.0), sigmoid(-1000.0), sigmoid(1000.0)
    (0.5, 0.0, 1.0)
    """
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    odds = math.exp(logit)
    return odds / (1.0 + odds)
