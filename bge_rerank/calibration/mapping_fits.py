"""Fit a mapping from logit to probability, and measure it on queries that it was not made from."""

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
    """Fit the rising steps that are nearest to the labels (isotonic regression), with lines between.

    They stay within what so few labels can show: no probability is 0 or 1 (the bounds are Platt's
    targets, (n + 1) / (n + 2) for n relevant pairs).

    >>> fit_isotonic(np.array([-1.0, 1.0]), np.array([False, True])).probability(2.0)
    0.6666666666666666
    """
    lowest, highest = _targets(relevant)
    regression = IsotonicRegression(y_min=lowest, y_max=highest, out_of_bounds="clip")
    regression.fit(logits, relevant.astype(float))
    knots = zip(regression.X_thresholds_, regression.y_thresholds_, strict=True)
    return Isotonic(tuple((float(logit), float(probability)) for logit, probability in knots))


def fit_platt(logits: Floats, relevant: Bools) -> Platt:
    """Fit a logistic regression on the logits to Platt's targets, which are no 0 and 1 either.

    A pair is given twice, as relevant and as not, each with the weight that its target asks for.

    Raises:
        InvalidInputError: The labels do not rise with the logits.
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
            f"relevance does not rise with the logits (a slope of {slope:.3g}); are the labels the "
            "right way round, and are there enough of them?"
        )
    return Platt(slope, float(regression.intercept_[0]))


FITS: dict[Method, Callable[[Floats, Bools], Isotonic | Platt]] = {
    "isotonic": fit_isotonic,
    "platt": fit_platt,
}
"""The function that fits each mapping."""


def cross_validated(
    method: Method, logits: Floats, relevant: Bools, queries: Ints, *, folds: int, seed: int
) -> Reliability:
    """Measure a method on the queries of each fold, fitted to the queries of the other folds.

    Logits, labels and query numbers are those of each pair. The seed chooses the folds.
    """
    probabilities = np.empty(len(logits))
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for others, fold in splitter.split(logits, relevant, queries):
        mapping = FITS[method](logits[others], relevant[others])
        probabilities[fold] = [mapping.probability(float(logit)) for logit in logits[fold]]
    return reliability(probabilities, relevant)


def _targets(relevant: Bools) -> tuple[float, float]:
    """Return the targets of Platt (1999) for pairs that are not relevant, and for those that are."""
    count = int(relevant.sum())
    return 1 / (len(relevant) - count + 2), (count + 1) / (count + 2)
