"""Make a `Calibration` from labelled pairs: a probability, and thresholds that hold on new queries."""

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
"""Below it, neither a curve nor a bound says anything of use."""
FOLDS = 5
"""Of the cross-validation; at least so many queries need a relevant pair, and one that is not."""
PART = 1_024
"""Pairs scored between two words about progress."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration made from all pairs, and how good it is on queries that it was not made from.

    Attributes:
        before: The reliability of the sigmoid of the logits.
        after: The reliability of each method's probabilities in a cross-validation over queries.
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
    """Score labelled pairs, and calibrate by them.

    Args:
        scorer: The model, run as it will be used.
        pairs: What it will be used on: of each query, all the passages that a first stage finds.
        method: `"isotonic"`, `"platt"`, or `"auto"`: the one whose log loss is lower.
        confidence: See `fit`.
        seed: See `fit`.
        progress: Called with the number of pairs, as they are scored.

    Raises:
        InvalidInputError: See `fit`. Labels are checked before any pair is scored.
        ConfigurationError: See `fit`.
        MissingDependencyError: See `fit`. Nothing is scored then.
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
    """Calibrate by logits and labels, pair by pair.

    Args:
        logits: One for each pair.
        relevant: Whether the passage answers the query.
        queries: The query, or its id. No split of the data divides the pairs of a query.
        made_for: The model that gave the logits, and how it ran.
        method: `"isotonic"`, `"platt"`, or `"auto"`: the one whose log loss is lower in a
            cross-validation.
        confidence: Of the thresholds' bounds, one-sided: for a wanted precision, the chance that the
            threshold keeps less than it on new queries of the same kind is at most 1 - `confidence`.
        seed: Of the splits.

    Raises:
        InvalidInputError: The three are not of one length, a logit is NaN or infinite, there are
            fewer than 30 queries, fewer than five of them have a relevant pair (or one that is not),
            or what is relevant has lower logits on average.
        ConfigurationError: There is no such method, or `confidence` lies outside 0..1.
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
    """Refuse missing packages and wrong options."""
    with needs_extra("calibrate", "calibrating"):
        for package in ("numpy", "scipy.special", "sklearn"):
            import_module(package)
    if method not in ("auto", *get_args(Method)):
        raise ConfigurationError(
            f"method is {method!r}; choose one of auto, {', '.join(sorted(get_args(Method)))}"
        )
    if not 0.0 < confidence < 1.0:
        raise ConfigurationError(
            f"confidence is {confidence!r}; give a number between 0 and 1, such as 0.95"
        )


def _check_data(logits: Sequence[float], relevant: Sequence[bool], queries: Sequence[str]) -> None:
    if not len(logits) == len(relevant) == len(queries):
        raise InvalidInputError(
            f"there are {len(logits)} logits, {len(relevant)} labels and {len(queries)} queries; "
            "give one of each for every pair"
        )
    _check_labels(relevant, queries)
    for place, logit in enumerate(logits):
        if not isfinite(logit):
            raise InvalidInputError(
                f"the logit of pair {place} is {logit}; score it again, or leave it out"
            )
    means = [
        fmean(logit for logit, each in zip(logits, relevant, strict=True) if each == label)
        for label in (True, False)
    ]
    if means[0] <= means[1]:
        raise InvalidInputError(
            f"relevant pairs have a mean logit of {means[0]:.3g}, and others of {means[1]:.3g}; are "
            "the labels the right way round?"
        )


def _check_labels(relevant: Sequence[bool], queries: Sequence[str]) -> None:
    """Refuse labels that are too few, or nearly all of one kind."""
    count = len(set(queries))
    if count < FEWEST_QUERIES:
        raise InvalidInputError(f"the pairs are of {count} queries; label {FEWEST_QUERIES} or more")
    for label, name in ((True, "relevant"), (False, "not relevant")):
        with_one = {query for query, each in zip(queries, relevant, strict=True) if each == label}
        if len(with_one) < FOLDS:
            raise InvalidInputError(
                f"{len(with_one)} queries have a pair labelled {name}; {FOLDS} or more need one: "
                "label both what answers and what does not"
            )
