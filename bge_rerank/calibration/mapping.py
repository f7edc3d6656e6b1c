"""From logit to probability, monotone: `Isotonic` and `Platt`. Pure, without numpy."""

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
"""The mappings, by name."""


@dataclass(frozen=True, slots=True)
class Isotonic:
    """A line through knots, level before the first and behind the last.

    Attributes:
        knots: Logit and probability (0..1); logits rise, probabilities never fall.

    Raises:
        CalibrationError: The knots are none, not finite or not in order.

    >>> mapping = Isotonic(((-2.0, 0.1), (2.0, 0.9)))
    >>> mapping.probability(-9.0), mapping.probability(0.0)
    (0.1, 0.5)
    """

    knots: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if not self.knots:
            raise CalibrationError("an isotonic mapping without knots; calibrate anew")
        for logit, probability in self.knots:
            if not math.isfinite(logit) or not 0.0 <= probability <= 1.0:
                raise CalibrationError(
                    f"the knot {(logit, probability)} is no finite logit with a probability of 0 to "
                    "1; calibrate anew"
                )
        for before, after in pairwise(self.knots):
            if not (before[0] < after[0] and before[1] <= after[1]):
                raise CalibrationError(
                    f"the knots {before} and {after} are not monotone; calibrate anew"
                )
        if not math.isfinite(self.knots[-1][0] - self.knots[0][0]):
            raise CalibrationError("the knots lie too far apart; calibrate anew")

    def probability(self, logit: float) -> float:
        """Return the probability (0..1) that a pair of this logit is relevant."""
        place = bisect_right(self.knots, logit, key=itemgetter(0))
        if place == 0:
            return self.knots[0][1]
        if place == len(self.knots):
            return self.knots[-1][1]
        (left, low), (right, high) = self.knots[place - 1 : place + 1]
        # Rounding must not lift it above the next knot.
        return min(high, low + (high - low) * ((logit - left) / (right - left)))


@dataclass(frozen=True, slots=True)
class Platt:
    """The sigmoid of a line (Platt 1999, "Probabilistic outputs for support vector machines").

    Attributes:
        slope: Of the line over the logit, above 0.
        intercept: The line at logit 0.

    Raises:
        CalibrationError: They are not finite, or the line does not rise.

    >>> Platt(slope=2.0, intercept=-1.0).probability(0.5)
    0.5
    """

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        if not (0.0 < self.slope < math.inf and math.isfinite(self.intercept)):
            raise CalibrationError(
                f"a slope of {self.slope} and an intercept of {self.intercept} are no rising line; "
                "calibrate anew"
            )

    def probability(self, logit: float) -> float:
        """Return the probability (0..1) that a pair of this logit is relevant."""
        return sigmoid(self.slope * logit + self.intercept)
