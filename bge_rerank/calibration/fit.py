"""Make a `Calibration` from labelled pairs: probabilities, and thresholds that hold on new queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from math import isfinite
from statistics import fmean
from typing import Literal, get_args

from bge_rerank.calibration.calibration import Calibration
from bge_rerank.calibration.mapping import Method
from bge_rerank.calibration.reliability import Reliability, reliability
from bge_rerank.data.pairs import LabelledPair
from bge_rerank.errors import ConfigurationError, InvalidInputError
from bge_rerank.extras import needs_extra
from bge_rerank.logits import sigmoid
from bge_rerank.scoring.asking import score_pairs
from bge_rerank.scoring.identity import ScoredBy, scored_by
from bge_rerank.types import Scorer

FEWEST_QUERIES = 30
"""The smallest number of queries. With fewer, neither the curve nor the bounds are useful."""
FOLDS = 5
"""The number of folds of the cross-validation. As many queries need a relevant pair, and as many a pair
that is not relevant."""
PART = 1_024
"""The number of pairs to score between two reports of progress."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration, with its reliability on queries that it was not fitted to.

    Attributes:
        calibration: The calibration, made from all pairs.
        method: The method of its mapping.
        before: The reliability of the uncalibrated scores, the sigmoids of the logits.
        after: The reliability of each method's probabilities, cross-validated over queries.
    """

    calibration: Calibration
    method: Method
    before: Reliability
    after: dict[Method, Reliability]


def calibrate(
    scorer: Scorer,
    pairs: Sequence[LabelledPair],
    *,
    method: Method | Literal["auto"] = "auto",
    confidence: float = 0.95,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Calibrated:
    """Score labelled pairs and calibrate with them.

    Args:
        scorer: The model, with the options that you will use it with.
        pairs: Labelled pairs like those that you will rank: for each query, all passages that the
            first stage finds.
        method: `"isotonic"`, `"platt"`, or `"auto"`, the one with the lower log loss.
        confidence: See `fit`.
        seed: See `fit`.
        progress: A function that is called with the number of pairs scored since the last call.

    Raises:
        InvalidInputError: See `fit`. Labels are checked before anything is scored.
        ConfigurationError: See `fit`. Options are checked before anything is scored.
        MissingDependencyError: See `fit`. It is raised before anything is scored.
        ScoringError: The scorer failed.
    """
    _check_options(method, confidence)
    relevant = [labelled.relevant for labelled in pairs]
    queries = [labelled.query for labelled in pairs]
    _check_labels(relevant, queries)
    logits: list[float] = []
    for start in range(0, len(pairs), PART):
        part = [labelled.pair for labelled in pairs[start : start + PART]]
        logits += score_pairs(scorer, part)
        if progress:
            progress(len(part))
    made_for = scored_by(scorer)
    return fit(logits, relevant, queries, made_for, method=method, confidence=confidence, seed=seed)


def fit(
    logits: Sequence[float],
    relevant: Sequence[bool],
    queries: Sequence[str],
    made_for: ScoredBy,
    *,
    method: Method | Literal["auto"] = "auto",
    confidence: float = 0.95,
    seed: int = 0,
) -> Calibrated:
    """Calibrate with the logits and labels of pairs.

    Args:
        logits: The logit of each pair.
        relevant: Whether the passage of each pair answers the query.
        queries: The query of each pair, or its id. No split of the data divides the pairs of a query.
        made_for: The model of the logits, with revision, precision and `max_length`.
        method: `"isotonic"`, `"platt"`, or `"auto"`, the one with the lower log loss in a
            cross-validation.
        confidence: The one-sided confidence of the bounds. On new queries of the same kind, a threshold
            misses the wanted precision with a chance of at most 1 - `confidence`.
        seed: The seed of the splits.

    Raises:
        InvalidInputError: The pairs cannot be used. `logits`, `relevant` and `queries` differ in
            length, or a logit is not finite. There are fewer than 30 queries, or fewer than five have
            a relevant pair, or fewer than five a pair that is not relevant. Or relevant pairs have
            lower logits on average.
        ConfigurationError: The method does not exist, or `confidence` is not between 0 and 1.
        MissingDependencyError: A package of the extra `calibrate` is not installed.
    """
    _check_options(method, confidence)
    _check_data(logits, relevant, queries)
    import numpy as np

    from bge_rerank.calibration.mapping_fits import FITS, cross_validated
    from bge_rerank.calibration.thresholds import estimates, thresholds

    number = {query: place for place, query in enumerate(dict.fromkeys(queries))}
    labels = np.array(relevant, dtype=np.bool_)
    data = np.array(logits, dtype=np.float64), labels, np.array([number[each] for each in queries])
    after = {each: cross_validated(each, *data, folds=FOLDS, seed=seed) for each in FITS}
    best = min(after, key=lambda each: after[each].log_loss)
    chosen = best if method == "auto" else method
    precision_steps, recall_steps = thresholds(*data, confidence, seed)
    calibration = Calibration(
        made_for,
        FITS[chosen](data[0], labels),
        confidence,
        precision_steps,
        estimates(*data, confidence),
        recall_steps,
        queries=len(number),
        pairs=len(logits),
        relevant=int(labels.sum()),
    )
    before = reliability(np.array([sigmoid(logit) for logit in logits]), labels)
    return Calibrated(calibration, chosen, before, after)


def _check_options(method: str, confidence: float) -> None:
    """Raise an error for a missing package or a wrong option."""
    with needs_extra("calibrate", "calibrating"):
        for package in ("numpy", "scipy.special", "sklearn"):
            import_module(package)
    if method not in ("auto", *get_args(Method)):
        raise ConfigurationError(
            f"method is {method!r}; pass one of auto, {', '.join(sorted(get_args(Method)))}"
        )
    if not 0.0 < confidence < 1.0:
        raise ConfigurationError(
            f"confidence is {confidence!r}; pass a number between 0 and 1, such as 0.95"
        )


def _check_data(logits: Sequence[float], relevant: Sequence[bool], queries: Sequence[str]) -> None:
    if not len(logits) == len(relevant) == len(queries):
        raise InvalidInputError(
            f"there are {len(logits)} logits, {len(relevant)} labels and {len(queries)} queries; "
            "pass one of each for every pair"
        )
    _check_labels(relevant, queries)
    for place, logit in enumerate(logits):
        if not isfinite(logit):
            raise InvalidInputError(
                f"the logit of pair {place} is {logit}; score the pair again, or leave it out"
            )
    means = [
        fmean(logit for logit, each in zip(logits, relevant, strict=True) if each == label)
        for label in (True, False)
    ]
    if means[0] <= means[1]:
        raise InvalidInputError(
            f"the mean logit is {means[0]:.3g} for relevant pairs and {means[1]:.3g} for the others; "
            "check that the labels are not swapped"
        )


def _check_labels(relevant: Sequence[bool], queries: Sequence[str]) -> None:
    """Raise an error if there are too few labels, or nearly all are of one kind."""
    count = len(set(queries))
    if count < FEWEST_QUERIES:
        found = "is 1 query" if count == 1 else f"are {count} queries"
        raise InvalidInputError(f"there {found}; label {FEWEST_QUERIES} or more")
    for label, name in ((True, "relevant"), (False, "not relevant")):
        with_one = {query for query, each in zip(queries, relevant, strict=True) if each == label}
        if len(with_one) < FOLDS:
            has = "has" if len(with_one) == 1 else "have"
            raise InvalidInputError(
                f"{len(with_one)} of the {count} queries {has} a pair labelled {name}; label such "
                f"a pair for {FOLDS} queries or more"
            )
