"""The sigmoid, which maps a logit to a score in 0..1, and its inverse."""

from __future__ import annotations

import math

SMALLEST, LARGEST = math.nextafter(0, 1), math.nextafter(1, 0)


def sigmoid(logit: float) -> float:
    """Return the sigmoid of a logit, in 0..1, without overflow.

    >>> sigmoid(0.0), sigmoid(-1000.0), sigmoid(1000.0)
    (0.5, 0.0, 1.0)
    """
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    odds = math.exp(logit)
    return odds / (1.0 + odds)


def to_logit(probability: float) -> float:
    """Return the logit of a sigmoid: the inverse of `sigmoid`.

    The logits of 0 and 1 are infinite. So 0 and numbers below it get the logit of the smallest float above 0,
    about -744.4. 1 and numbers above it get the logit of the largest float below 1, about 36.7.

    >>> to_logit(0.5), round(to_logit(0.0), 1), round(to_logit(1.0), 1)
    (0.0, -744.4, 36.7)
    """
    inside = min(max(probability, SMALLEST), LARGEST)
    return math.log(inside) - math.log1p(-inside)
