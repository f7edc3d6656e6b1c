"""`Calibration`: what a logit of one model says of relevance, as a probability and as thresholds.

`bge-rerank calibrate` makes one from labelled pairs (`bge_rerank.calibration.fit`); to apply it
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
"""How a threshold is chosen for a wanted precision: so that precision is not below it with the
calibration's confidence, or so that it is about that, as far as the calibration data show."""


@dataclass(frozen=True, slots=True)
class Step:
    """A threshold, and the lower confidence bound on its precision or recall.

    Attributes:
        logit: Pairs from this logit on are kept.
        bound: The bound (0..1), with the calibration's confidence: the lowest one up to this step.
    """

    logit: float
    bound: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A threshold, the precision measured at it, and the lower confidence bound on precision.

    Attributes:
        logit: Pairs from this logit on are kept.
        precision: The precision (0..1) on the calibration data: the lowest one up to this estimate.
            Precision on new queries is below it about as often as above.
        bound: The bound (0..1) on new queries, with the calibration's confidence: the lowest one too.
    """

    logit: float
    precision: float
    bound: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """A monotone map from logit to probability, and thresholds, for one model run in one way.

    It holds for pairs like those that it was made from: the same kind of queries, the same first
    stage and depth, the same `rank_fields` and `long_documents`. None of that is stored or checked.
    Thresholds hold for all that they keep; `top_n` may then leave some of it out.

    Attributes:
        made_for: The model that gave the logits, and how it ran.
        confidence: The confidence (0..1) of each bound by itself, one-sided.
        precision_steps: Thresholds from high to low. Their bounds are on precision, the share of
            relevant pairs among those kept.
        precision_estimates: Thresholds from high to low, by the precision on all of the data.
        recall_steps: Thresholds from low to high. Their bounds are on recall, the share of those
            kept among the relevant pairs that were scored.
        queries: The number of queries of the calibration data; `pairs` and `relevant` count pairs.
        format: The version of the file's layout.

    Raises:
        CalibrationError: A value is out of range or out of order.

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
                f"the confidence is {self.confidence}; give a number between 0 and 1, such as 0.95"
            )
        _check_thresholds("precision_steps", self.precision_steps)
        _check_thresholds("precision_estimates", self.precision_estimates)
        _check_thresholds("recall_steps", self.recall_steps, rising=True)

    def probability(self, logit: float) -> float:
        """Return the probability (0..1) that a pair of this logit is relevant.

        It never falls as the logit rises.
        """
        return self.mapping.probability(logit)

    def precision_logit(self, min_precision: float) -> float:
        """Return the lowest logit from which on precision is at least `min_precision` (0..1).

        With the calibration's confidence, for one value of `min_precision` that was not chosen by
        looking at several.

        Raises:
            CalibrationError: No threshold reached that precision on the calibration data.
        """
        return self._logit("precision", self.precision_steps, min_precision)

    def precision_estimate(self, min_precision: float) -> Estimate:
        """Return the lowest threshold at which `min_precision` (0..1) was measured, and its bound.

        Use it where labels are too few to guarantee a precision. On new queries, precision is about
        `min_precision`. It is below `bound` no more often than the calibration's confidence allows.

        Raises:
            CalibrationError: No threshold reached that precision on the calibration data.
        """
        reached = [each for each in self.precision_estimates if each.precision >= min_precision]
        if not reached:
            best = max((each.precision for each in self.precision_estimates), default=0.0)
            raise CalibrationError(
                f"min_precision is {min_precision}; {best:.3f} was the most that was seen on "
                f"{self.queries} queries: lower it, or calibrate on more"
            )
        return reached[-1]

    def recall_logit(self, min_recall: float) -> float:
        """Return the highest logit that keeps at least `min_recall` (0..1) of the relevant passages.

        Passages that the first stage missed do not count.

        Raises:
            CalibrationError: No threshold reached that recall on the calibration data.
        """
        return self._logit("recall", self.recall_steps, min_recall)

    def check(self, scorer: Scorer) -> None:
        """Make sure that a scorer is the one that this was made for. It loads the scorer's weights.

        A server does not tell its revision and precision. One warning names what is not compared.

        Raises:
            CalibrationError: It is another model, revision, precision or `max_length`.
        """
        actual = scored_by(scorer)
        wrong = differences(self.made_for, actual)
        if wrong:
            made = ", ".join(f"{name}={wanted!r}" for name, (wanted, _) in wrong.items())
            found = ", ".join(f"{name}={value!r}" for name, (_, value) in wrong.items())
            raise CalibrationError(
                f"the calibration was made for {made}, and the scorer has {found}; load the model "
                "as it was, or calibrate anew with `bge-rerank calibrate`"
            )
        warn_of_what_is_not_compared("calibration", self.made_for, actual)

    def save(self, path: str | PathLike[str]) -> None:
        """Write it to a JSON file.

        Raises:
            OSError: The file cannot be written.
        """
        write_json(path, KIND, self)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Calibration:
        """Read it from a JSON file.

        Raises:
            CalibrationError: The file cannot be read, or is not a valid calibration of this format.
        """
        return read_json(path, KIND, FORMAT, cls, CalibrationError)

    def _logit(self, what: str, steps: Sequence[Step], wanted: float) -> float:
        reached = [step for step in steps if step.bound >= wanted]
        if not reached:
            best = max((step.bound for step in steps), default=0.0)
            estimated = " (precision_by='estimate' asks for less)" if what == "precision" else ""
            raise CalibrationError(
                f"min_{what} is {wanted}; the calibration reached {best:.3f} at most, with "
                f"{self.confidence:.0%} confidence from {self.queries} queries: lower it, or "
                f"calibrate on more{estimated}"
            )
        return reached[-1].logit


def loaded_calibration(
    calibration: Calibration | str | PathLike[str] | None,
) -> Calibration | None:
    """Return a calibration as it is, or read from its file; one that did not change is read once.

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
            f"cannot read {path!r} ({error.strerror}); give a file that `bge-rerank calibrate` wrote"
        ) from error
    return _read(path, status.st_mtime_ns, status.st_size)


def min_logit(
    calibration: Calibration | None,
    min_precision: float | None,
    precision_by: PrecisionBy,
) -> float | None:
    """Return the logit that a wanted precision asks for; `None` where none is wanted.

    Raises:
        ConfigurationError: There is no calibration.
        CalibrationError: The calibration does not reach it.

    >>> min_logit(None, 0.9, "bound")
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: min_precision is 0.9, and there is no calibration to choose a threshold by; give one with calibration=
    """
    if min_precision is None:
        return None
    if calibration is None:
        raise ConfigurationError(
            f"min_precision is {min_precision!r}, and there is no calibration to choose a threshold "
            "by; give one with calibration="
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
                f"{name} has {each}, no finite logit with shares of 0 to 1; calibrate anew"
            )
    for before, after in pairwise(thresholds):
        moves_on = before.logit < after.logit if rising else before.logit > after.logit
        both = zip(astuple(before)[1:], astuple(after)[1:], strict=True)
        if not (moves_on and all(share >= next_share for share, next_share in both)):
            raise CalibrationError(f"{name} has {before} before {after}; calibrate anew")
