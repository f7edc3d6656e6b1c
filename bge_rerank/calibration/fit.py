"""Make a `Calibration` from labelled pairs: a probability, and thresholds that hold on new queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from bge_rerank.calibration.calibration import Calibration
from bge_rerank.calibration.mapping import Isotonic, Platt
from bge_rerank.data.pairs import LabelledPair
from bge_rerank.errors import ConfigurationError, InvalidInputError
from bge_rerank.extras import needs_extra
from bge_rerank.logits import sigmoid
from bge_rerank.scoring.asking import score_pairs
from bge_rerank.scoring.identity import ScoredBy, scored_by
from bge_rerank.types import Scorer

with needs_extra("calibrate", "calibrating"):
    import numpy as np
    from sklearn.isotonic import IsotonicRegression
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    from bge_rerank.calibration.bounds import Bools, Floats, Ints
    from bge_rerank.calibration.reliability import Reliability, reliability
    from bge_rerank.calibration.thresholds import estimates, thresholds

Method = Literal["isotonic", "platt"]

FEWEST_QUERIES = 30
"""Below it, neither a curve nor a bound says anything of use."""
FOLDS = 5
"""Of the cross-validation; at least so many queries need a relevant pair, and one that is not."""
PART = 1_024
"""Pairs scored between two words about progress."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration, and how good it is on queries that it was not made from.

    Attributes:
        calibration: Made from all pairs.
        method: How its probabilities were made.
        before: The sigmoid of the logits, taken as a probability.
        after: By method, the probabilities of a cross-validation: each pair's was made from other
            queries.
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
        InvalidInputError: See `fit`; what is wrong with the labels is said before anything is scored.
        ConfigurationError: See `fit`.
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
    return fit(
        logits,
        relevant,
        queries,
        scored_by(scorer),
        method=method,
        confidence=confidence,
        seed=seed,
    )


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
        logits: What the model gave.
        relevant: Whether the passage answers the query.
        queries: The query, or its id: pairs of one stand together wherever data are split.
        made_for: What gave the logits.
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
    """
    _check_options(method, confidence)
    data = _checked(logits, relevant, queries)
    after = {each: _cross_validated(each, data, seed) for each in _FITS}
    chosen = _best(after) if method == "auto" else method
    precision_steps, recall_steps = thresholds(
        data.logits, data.relevant, data.queries, confidence, seed
    )
    calibration = Calibration(
        made_for,
        _FITS[chosen](data.logits, data.relevant),
        confidence,
        precision_steps,
        estimates(data.logits, data.relevant, data.queries, confidence),
        recall_steps,
        queries=len(set(queries)),
        pairs=len(logits),
        relevant=int(data.relevant.sum()),
    )
    before = reliability(np.array([sigmoid(logit) for logit in logits]), data.relevant)
    return Calibrated(calibration, chosen, before, after)


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


_FITS: dict[Method, Callable[[Floats, Bools], Isotonic | Platt]] = {
    "isotonic": fit_isotonic,
    "platt": fit_platt,
}


@dataclass(frozen=True, slots=True)
class _Data:
    logits: Floats
    relevant: Bools
    queries: Ints


def _targets(relevant: Bools) -> tuple[float, float]:
    """Return the targets of Platt (1999) for pairs that are not relevant, and for those that are."""
    count = int(relevant.sum())
    return 1 / (len(relevant) - count + 2), (count + 1) / (count + 2)


def _cross_validated(method: Method, data: _Data, seed: int) -> Reliability:
    """Measure a method on each fold's queries, by what it makes of the others."""
    probabilities = np.empty(len(data.logits))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for others, fold in folds.split(data.logits, data.relevant, data.queries):
        mapping = _FITS[method](data.logits[others], data.relevant[others])
        probabilities[fold] = [mapping.probability(float(logit)) for logit in data.logits[fold]]
    return reliability(probabilities, data.relevant)


def _best(after: dict[Method, Reliability]) -> Method:
    return min(after, key=lambda method: after[method].log_loss)


def _check_options(method: str, confidence: float) -> None:
    if method not in ("auto", *_FITS):
        raise ConfigurationError(
            f"method is {method!r}; choose one of auto, {', '.join(sorted(_FITS))}"
        )
    if not 0.0 < confidence < 1.0:
        raise ConfigurationError(
            f"confidence is {confidence!r}; give a number between 0 and 1, such as 0.95"
        )


def _checked(logits: Sequence[float], relevant: Sequence[bool], queries: Sequence[str]) -> _Data:
    if not len(logits) == len(relevant) == len(queries):
        raise InvalidInputError(
            f"there are {len(logits)} logits, {len(relevant)} labels and {len(queries)} queries; "
            "give one of each for every pair"
        )
    _check_labels(relevant, queries)
    number = {query: place for place, query in enumerate(dict.fromkeys(queries))}
    data = _Data(
        np.array(logits, dtype=np.float64),
        np.array(relevant, dtype=np.bool_),
        np.array([number[query] for query in queries]),
    )
    _check_values(data)
    return data


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


def _check_values(data: _Data) -> None:
    for place in np.flatnonzero(~np.isfinite(data.logits)):
        raise InvalidInputError(
            f"the logit of pair {place} is {data.logits[place]}; score it again, or leave it out"
        )
    means = [float(data.logits[data.relevant == label].mean()) for label in (True, False)]
    if means[0] <= means[1]:
        raise InvalidInputError(
            f"relevant pairs have a mean logit of {means[0]:.3g}, and others of {means[1]:.3g}; are "
            "the labels the right way round?"
        )
