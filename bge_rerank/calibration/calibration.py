"""`Calibration`: probabilities and thresholds for the logits of one model.

`bge-rerank calibrate` makes one from labelled pairs (see `bge_rerank.calibration.fit`). Applying it
needs neither scikit-learn nor scipy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache
from itertools import pairwise
from os import PathLike, fspath
from pathlib import Path
from typing import Literal

from bge_rerank.calibration.mapping import Isotonic, Platt
from bge_rerank.errors import CalibrationError, ConfigurationError
from bge_rerank.models.saved_json import read_json, write_json
from bge_rerank.scoring.identity import (
    ScoredBy,
    differences,
    scored_by,
    warn_of_what_is_not_compared,
)
from bge_rerank.types import Scorer

KIND = "bge-rerank calibration"
FORMAT = 2

PrecisionBy = Literal["bound", "estimate"]
"""How a threshold is chosen for a wanted precision. `"bound"`: the lower confidence bound reaches it.
`"estimate"`: the precision on the calibration data reaches it."""


@dataclass(frozen=True, slots=True)
class Step:
    """A threshold with the lower confidence bound on its precision or recall.

    Attributes:
        logit: The threshold: pairs with this logit or a higher one are kept.
        bound: The lowest bound (0..1) of all steps up to this one.
    """

    logit: float
    bound: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A threshold with its measured precision and the lower confidence bound on precision.

    Attributes:
        logit: The threshold: pairs with this logit or a higher one are kept.
        precision: The precision (0..1) on the calibration data, the lowest of all estimates up to this
            one. On new queries, precision is below it about as often as above it.
        bound: The lower confidence bound (0..1) on precision for new queries, also the lowest of all
            estimates up to this one.
    """

    logit: float
    precision: float
    bound: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Probabilities and thresholds for the logits of one model.

    Make one with `bge-rerank calibrate` or `bge_rerank.calibration.calibrate`, load it with
    `Calibration.load`, and pass it, or the path of its file, as the option `calibration`.

    It is valid for pairs like those that it was made from: the same kind of queries, the same first
    stage and depth, the same `rank_fields` and `long_documents`. None of these is stored or checked.
    The model, its revision, precision and `max_length` are stored, and `check` compares them.
    The precision of a threshold counts all texts that it keeps, before `top_n` applies.

    Attributes:
        made_for: The model of the logits, with revision, precision and `max_length`.
        mapping: The mapping from logit to probability.
        confidence: The confidence (0..1) of each bound by itself, one-sided.
        precision_steps: Thresholds from high to low, with bounds on precision: the share of relevant
            pairs among the pairs kept.
        precision_estimates: Thresholds from high to low, with the precision on the calibration data.
        recall_steps: Thresholds from low to high, with bounds on recall: the share of the relevant
            pairs that are kept.
        queries: The number of queries of the calibration data.
        pairs: The number of its pairs.
        relevant: The number of its relevant pairs.
        format: The version of the file format.

    Raises:
        CalibrationError: A value is out of range or out of order.

    This one was made by hand; a real one has more thresholds:

    >>> steps = (Step(4.0, 0.97), Step(1.0, 0.92), Step(-1.0, 0.7))
    >>> calibration = Calibration(
    ...     ScoredBy("mini", "main", "float32", 512), Platt(1.5, -2.0), 0.95, steps,
    ...     (Estimate(0.5, 0.93, 0.88),), (), 60, 600, 55
    ... )
    >>> round(calibration.probability(2.0), 3)
    0.731
    >>> calibration.precision_logit(0.9)
    1.0
    >>> calibration.precision_estimate(0.9)
    Estimate(logit=0.5, precision=0.93, bound=0.88)
    """

    made_for: ScoredBy
    mapping: Isotonic | Platt
    confidence: float
    precision_steps: tuple[Step, ...]
    precision_estimates: tuple[Estimate, ...]
    recall_steps: tuple[Step, ...]
    queries: int
    pairs: int
    relevant: int
    format: int = FORMAT

    def __post_init__(self) -> None:
        if not 0.0 < self.confidence < 1.0:
            raise CalibrationError(
                f"the confidence is {self.confidence}; pass a number between 0 and 1, such as 0.95"
            )
        _check_thresholds("precision_steps", self.precision_steps)
        _check_thresholds("precision_estimates", self.precision_estimates)
        _check_thresholds("recall_steps", self.recall_steps, rising=True)

    def probability(self, logit: float) -> float:
        """Return the probability (0..1) that a pair with this logit is relevant.

        A higher logit never has a lower probability.
        """
        return self.mapping.probability(logit)

    def precision_logit(self, min_precision: float) -> float:
        """Return the lowest threshold, a logit, whose bound on precision is at least `min_precision`.

        The confidence holds for one `min_precision` (0..1) that you choose in advance. It does not
        hold if you try several values and take one by its result.

        Raises:
            CalibrationError: No threshold has such a bound. The message states the highest bound.
        """
        return self._logit("precision", self.precision_steps, min_precision)

    def precision_estimate(self, min_precision: float) -> Estimate:
        """Return the lowest threshold whose measured precision is at least `min_precision` (0..1).

        Use it if there are too few labels to guarantee a precision. On new queries, precision is about
        `min_precision`. It is below `bound` no more often than the calibration's confidence allows.

        Raises:
            CalibrationError: No threshold has that precision on the calibration data.
        """
        reached = [each for each in self.precision_estimates if each.precision >= min_precision]
        if not reached:
            best = max((each.precision for each in self.precision_estimates), default=0.0)
            raise CalibrationError(
                f"min_precision is {min_precision}, but the highest precision measured on "
                f"{self.queries} queries is {best:.3f}; lower min_precision, or calibrate "
                "with more queries"
            )
        return reached[-1]

    def recall_logit(self, min_recall: float) -> float:
        """Return the highest threshold, a logit, whose bound on recall is at least `min_recall` (0..1).

        Recall is the share of the relevant passages that are kept. Passages that the first stage
        missed do not count.

        Raises:
            CalibrationError: No threshold has such a bound. The message states the highest bound.
        """
        return self._logit("recall", self.recall_steps, min_recall)

    def check(self, scorer: Scorer) -> None:
        """Check that a scorer is the one that this calibration was made for. Loads its weights.

        A server does not report its revision and precision. One warning names the values that cannot
        be compared.

        Raises:
            CalibrationError: The model, revision, precision or `max_length` differs.
        """
        actual = scored_by(scorer)
        wrong = differences(self.made_for, actual)
        if wrong:
            made = ", ".join(f"{name}={wanted!r}" for name, (wanted, _) in wrong.items())
            found = ", ".join(f"{name}={value!r}" for name, (_, value) in wrong.items())
            raise CalibrationError(
                f"the calibration was made for {made}, and the scorer has {found}; load the model "
                "with those values, or calibrate again with `bge-rerank calibrate`"
            )
        warn_of_what_is_not_compared("calibration", self.made_for, actual)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the calibration to a JSON file.

        Raises:
            OSError: The file cannot be written.
        """
        write_json(path, KIND, self)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Calibration:
        """Read a calibration from a JSON file.

        Raises:
            CalibrationError: The file cannot be read, or is not a valid calibration of this format.
        """
        return read_json(path, KIND, FORMAT, cls, CalibrationError)

    def _logit(self, what: str, steps: Sequence[Step], wanted: float) -> float:
        reached = [step for step in steps if step.bound >= wanted]
        if not reached:
            best = max((step.bound for step in steps), default=0.0)
            by_estimate = "use precision_by='estimate', " if what == "precision" else ""
            raise CalibrationError(
                f"min_{what} is {wanted}, but {self.queries} queries guarantee {best:.3f} at most "
                f"(with {self.confidence:.0%} confidence); lower min_{what}, {by_estimate}"
                "or calibrate with more queries"
            )
        return reached[-1].logit


def loaded_calibration(
    calibration: Calibration | str | PathLike[str] | None,
) -> Calibration | None:
    """Return a calibration, read from its file if need be. An unchanged file is read once.

    Raises:
        CalibrationError: As `Calibration.load` does.
    """
    if calibration is None or isinstance(calibration, Calibration):
        return calibration
    path = fspath(calibration)
    try:
        status = Path(path).stat()
    except OSError as error:
        raise CalibrationError(
            f"cannot read {path!r} ({error.strerror}); pass a file that `bge-rerank calibrate` wrote"
        ) from error
    return _read(path, status.st_mtime_ns, status.st_size)


def min_logit(
    calibration: Calibration | None,
    min_precision: float | None,
    precision_by: PrecisionBy,
) -> float | None:
    """Return the threshold, a logit, for `min_precision`; `None` if that is `None`.

    Raises:
        ConfigurationError: `calibration` is `None`.
        CalibrationError: The calibration does not reach `min_precision`.

    >>> min_logit(None, 0.9, "bound")
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: min_precision is 0.9 without a calibration; pass calibration='FILE', which `bge-rerank calibrate` wrote for this model
    """
    if min_precision is None:
        return None
    if calibration is None:
        raise ConfigurationError(
            f"min_precision is {min_precision!r} without a calibration; pass calibration='FILE', "
            "which `bge-rerank calibrate` wrote for this model"
        )
    if precision_by == "estimate":
        return calibration.precision_estimate(min_precision).logit
    return calibration.precision_logit(min_precision)


@lru_cache(maxsize=16)
def _read(path: str, _changed_ns: int, _size: int) -> Calibration:
    return Calibration.load(path)


def _check_thresholds(
    name: str, thresholds: Sequence[Step | Estimate], *, rising: bool = False
) -> None:
    for each in thresholds:
        logit, *shares = astuple(each)
        if not (math.isfinite(logit) and all(0.0 <= share <= 1.0 for share in shares)):
            raise CalibrationError(
                f"{name} has {each}, but needs a finite logit and shares of 0 to 1; calibrate again"
            )
    for before, after in pairwise(thresholds):
        moves_on = before.logit < after.logit if rising else before.logit > after.logit
        both = zip(astuple(before)[1:], astuple(after)[1:], strict=True)
        if not (moves_on and all(share >= next_share for share, next_share in both)):
            raise CalibrationError(f"{name} has {before} before {after}; calibrate again")
