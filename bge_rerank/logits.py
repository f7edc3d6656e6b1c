"""Between a model's logit and its score in 0..1: the sigmoid and its inverse."""

from __future__ import annotations

import math

SMALLEST, LARGEST = math.nextafter(0, 1), math.nextafter(1, 0)


def sigmoid(logit: float) -> float:
    """Map a logit to 0..1 without overflow at either end.

    >>> sigmoid(0.0), sigmoid(-1000.0), sigmoid(1000.0)
    (0.5, 0.0, 1.0)
    """
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    odds = math.exp(logit)
    return odds / (1.0 + odds)


def to_logit(probability: float) -> float:
    """Map a sigmoid back to its logit: the inverse of `sigmoid`.

    The logits of 0 and 1 are infinite. Both numbers, and numbers beyond them, get the logit of the
    nearest float inside 0..1: about -744.4 and 36.7.

    >>> to_logit(0.5), round(to_logit(0.0), 1), round(to_logit(1.0), 1)
    (0.0, -744.4, 36.7)
    """
    inside = min(max(probability, SMALLEST), LARGEST)
    return math.log(inside) - math.log1p(-inside)
