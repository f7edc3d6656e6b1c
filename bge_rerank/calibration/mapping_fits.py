"""Fits of the mappings from logit to probability, and their cross-validation over queries."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from bge_rerank.calibration.bounds import Bools, Floats, Ints
from bge_rerank.calibration.mapping import Isotonic, Method, Platt
from bge_rerank.calibration.reliability import Reliability, reliability
from bge_rerank.errors import InvalidInputError


def fit_isotonic(logits: Floats, relevant: Bools) -> Isotonic:
    """Fit an isotonic regression, with straight lines between its knots.

    No probability is 0 or 1: Platt's targets are the lowest and the highest. For n relevant pairs the
    highest is (n + 1) / (n + 2).

    >>> fit_isotonic(np.array([-1.0, 1.0]), np.array([False, True])).probability(2.0)
    0.6666666666666666
    """
    lowest, highest = _targets(relevant)
    regression = IsotonicRegression(y_min=lowest, y_max=highest, out_of_bounds="clip")
    regression.fit(logits, relevant.astype(float))
    knots = zip(regression.X_thresholds_, regression.y_thresholds_, strict=True)
    return Isotonic(tuple((float(logit), float(probability)) for logit, probability in knots))


def fit_platt(logits: Floats, relevant: Bools) -> Platt:
    """Fit a logistic regression of Platt's targets on the logits.

    Each pair is in the data twice, once as relevant and once as not relevant. Its target gives the
    weights.

    Raises:
        InvalidInputError: Relevance does not rise with the logits.
    """
    lowest, highest = _targets(relevant)
    targets = np.where(relevant, highest, lowest)
    regression = LogisticRegression(C=np.inf)
    regression.fit(
        np.concatenate([logits, logits]).reshape(-1, 1),
        np.repeat([True, False], len(logits)),
        sample_weight=np.concatenate([targets, 1.0 - targets]),
    )
    slope = float(regression.coef_[0, 0])
    if slope <= 0.0:
        raise InvalidInputError(
            f"relevance does not rise with the logits (slope {slope:.3g}); check that the labels are not "
            "swapped, or label more pairs"
        )
    return Platt(slope, float(regression.intercept_[0]))


FITS: dict[Method, Callable[[Floats, Bools], Isotonic | Platt]] = {
    "isotonic": fit_isotonic,
    "platt": fit_platt,
}
"""The function that fits each mapping, by its name."""


def cross_validated(
    method: Method, logits: Floats, relevant: Bools, queries: Ints, *, folds: int, seed: int
) -> Reliability:
    """Measure a method by cross-validation: fit it to all folds but one, and measure on that one.

    Args:
        method: The mapping to fit.
        logits: The logit of each pair.
        relevant: The label of each pair.
        queries: The query number of each pair. No fold divides a query.
        folds: The number of folds.
        seed: The seed that chooses the folds.
    """
    probabilities = np.empty(len(logits))
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for others, fold in splitter.split(logits, relevant, queries):
        mapping = FITS[method](logits[others], relevant[others])
        probabilities[fold] = [mapping.probability(float(logit)) for logit in logits[fold]]
    return reliability(probabilities, relevant)


def _targets(relevant: Bools) -> tuple[float, float]:
    """Return the targets of Platt (1999) for pairs that are not relevant, and for relevant pairs."""
    count = int(relevant.sum())
    return 1 / (len(relevant) - count + 2), (count + 1) / (count + 2)
