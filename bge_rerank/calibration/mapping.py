"""Monotone mappings from logit to probability: `Isotonic` and `Platt`. They need no numpy."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import Literal

from bge_rerank.errors import CalibrationError
from bge_rerank.logits import sigmoid

Method = Literal["isotonic", "platt"]
"""The name of a mapping."""


@dataclass(frozen=True, slots=True)
class Isotonic:
    """A mapping through knots, linear between them and constant before the first and after the last.

    Attributes:
        knots: Pairs of logit and probability (0..1). Logits rise; probabilities never fall.

    Raises:
        CalibrationError: `knots` is empty, not finite or not in order.

    >>> mapping = Isotonic(((-2.0, 0.1), (2.0, 0.9)))
    >>> mapping.probability(-9.0), mapping.probability(0.0)
    (0.1, 0.5)
    """

    knots: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if not self.knots:
            raise CalibrationError("the isotonic mapping has no knots; calibrate again")
        for logit, probability in self.knots:
            if not math.isfinite(logit) or not 0.0 <= probability <= 1.0:
                raise CalibrationError(
                    f"the knot {(logit, probability)} must be a finite logit and a probability of 0 "
                    "to 1; calibrate again"
                )
        for before, after in pairwise(self.knots):
            if not (before[0] < after[0] and before[1] <= after[1]):
                raise CalibrationError(
                    f"the knots {before} and {after} are not monotone; calibrate again"
                )
        if not math.isfinite(self.knots[-1][0] - self.knots[0][0]):
            raise CalibrationError("the knots are too far apart; calibrate again")

    def probability(self, logit: float) -> float:
        """Return the probability (0..1) that a pair of this logit is relevant."""
        place = bisect_right(self.knots, logit, key=itemgetter(0))
        if place == 0:
            return self.knots[0][1]
        if place == len(self.knots):
            return self.knots[-1][1]
        (left, low), (right, high) = self.knots[place - 1 : place + 1]
        # Rounding must not lift the probability above the next knot.
        return min(high, low + (high - low) * ((logit - left) / (right - left)))


@dataclass(frozen=True, slots=True)
class Platt:
    """The sigmoid of a line (Platt 1999, "Probabilistic outputs for support vector machines").

    Attributes:
        slope: The slope of the line, above 0.
        intercept: The value of the line at logit 0.

    Raises:
        CalibrationError: A value is not finite, or the slope is not above 0.

    >>> Platt(slope=2.0, intercept=-1.0).probability(0.5)
    0.5
    """

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        if not (0.0 < self.slope < math.inf and math.isfinite(self.intercept)):
            raise CalibrationError(
                f"a slope of {self.slope} and an intercept of {self.intercept} do not make a rising "
                "line; calibrate again"
            )

    def probability(self, logit: float) -> float:
        """Return the probability (0..1) that a pair of this logit is relevant."""
        return sigmoid(self.slope * logit + self.intercept)
