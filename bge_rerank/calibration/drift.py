"""Drift: whether a model still gives the scores that it gave once, on pairs set aside for that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from math import isfinite
from os import PathLike
from statistics import fmean

from bge_rerank.errors import DriftError, InvalidInputError
from bge_rerank.extras import needs_extra
from bge_rerank.models.saved_json import read_json, write_json
from bge_rerank.scoring.asking import score_pairs
from bge_rerank.scoring.identity import ScoredBy, scored_by
from bge_rerank.types import Pair, Scorer

KIND = "bge-rerank drift reference"
FORMAT = 1

FLOAT32_TOLERANCE, TOLERANCE = 0.001, 0.25
"""Of a logit. Batches of other lengths move it by 1e-4 in float32, and by some hundredths in lower
precision."""
CHANGED_FIRST = 0.02
"""Of the queries: where two passages are as good as each other, rounding decides."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far scores may move.

    Attributes:
        largest: The largest move of a single logit, from 0 on.
        changed_first: The share (0..1) of queries that may have another first passage.

    Raises:
        DriftError: A value is out of range.
    """

    largest: float
    changed_first: float

    def __post_init__(self) -> None:
        if not (0.0 <= self.largest < float("inf") and 0.0 <= self.changed_first <= 1.0):
            raise DriftError(
                f"{self} is no tolerance; give a logit from 0 on, and a share of 0 to 1"
            )


@dataclass(frozen=True, slots=True)
class ReferenceQuery:
    """A query, its passages, and the logit of each.

    Raises:
        DriftError: There is no passage, or not one finite logit for each.
    """

    query: str
    passages: tuple[str, ...]
    logits: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.passages or len(self.passages) != len(self.logits):
            raise DriftError(
                f"{self.query!r:.80} has {len(self.passages)} passages and {len(self.logits)} "
                "logits; write the reference anew"
            )
        if not all(map(isfinite, self.logits)):
            raise DriftError(
                f"{self.query!r:.80} has a logit that is not finite; write the reference anew"
            )


@dataclass(frozen=True, slots=True)
class Reference:
    """Pairs, and the logits that they had.

    `scored_by` is the model that gave the logits, and `format` the version of the file's layout.

    Raises:
        DriftError: There is no query.
    """

    scored_by: ScoredBy
    tolerance: Tolerance
    queries: tuple[ReferenceQuery, ...]
    format: int = FORMAT

    def __post_init__(self) -> None:
        if not self.queries:
            raise DriftError("a reference without queries; write it anew")

    @property
    def pairs(self) -> list[Pair]:
        """What is scored, query by query."""
        return [(each.query, passage) for each in self.queries for passage in each.passages]

    @property
    def logits(self) -> list[float]:
        """The logits that the pairs had."""
        return [logit for each in self.queries for logit in each.logits]

    def save(self, path: str | PathLike[str]) -> None:
        """Write it to a JSON file.

        Raises:
            OSError: The file cannot be written.
        """
        write_json(path, KIND, self)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Reference:
        """Read it from a JSON file.

        Raises:
            DriftError: The file cannot be read, or is not a valid reference of this format.
        """
        return read_json(path, KIND, FORMAT, cls, DriftError)


@dataclass(frozen=True, slots=True)
class Drift:
    """How far scores moved.

    Attributes:
        largest: The largest absolute difference of a pair's logits.
        mean: The mean of these differences.
        rank_correlation: Spearman's, -1..1, of all pairs; 0 where all have one logit.
        changed_first: The share (0..1) of the queries of two passages or more whose first passage
            is another.
        expected: The model that gave the logits of the reference.
        actual: The model that was measured.
    """

    largest: float
    mean: float
    rank_correlation: float
    changed_first: float
    expected: ScoredBy
    actual: ScoredBy

    def faults(self, tolerance: Tolerance) -> list[str]:
        """Return what is past a tolerance, in words.

        >>> drift = Drift(0.5, 0.1, 0.99, 0.0, ScoredBy("a"), ScoredBy("a"))
        >>> drift.faults(Tolerance(largest=0.25, changed_first=0.02))
        ['a logit moved by 0.5, past 0.25']
        """
        faults = []
        if self.largest > tolerance.largest:
            faults.append(f"a logit moved by {self.largest:.3g}, past {tolerance.largest:.3g}")
        if self.changed_first > tolerance.changed_first:
            faults.append(
                f"{self.changed_first:.1%} of the queries have another first passage, past "
                f"{tolerance.changed_first:.1%}"
            )
        return faults


def make_reference(
    scorer: Scorer, pairs: Sequence[Pair], tolerance: Tolerance | None = None
) -> Reference:
    """Score pairs, and keep their logits.

    Args:
        scorer: The model, run as it is used.
        pairs: What is scored; one that stands there twice counts once.
        tolerance: What is no drift; `None` is 2 % of the first passages, and what the scorer's
            precision rounds: 0.001 of a logit in float32, else 0.25.

    Raises:
        InvalidInputError: There is no pair, or all have one logit.
        ScoringError: The scorer failed.
    """
    if not pairs:
        raise InvalidInputError("there are no pairs to make a reference of; give some")
    passages: dict[str, dict[str, None]] = {}
    for query, passage in pairs:
        passages.setdefault(query, {})[passage] = None
    grouped = [(query, passage) for query, its in passages.items() for passage in its]
    logits = iter(score_pairs(scorer, grouped))
    queries = tuple(
        ReferenceQuery(query, tuple(its), tuple(next(logits) for _ in its))
        for query, its in passages.items()
    )
    made_by = scored_by(scorer)
    reference = Reference(made_by, tolerance or default_tolerance(made_by), queries)
    if len(set(reference.logits)) == 1:
        raise InvalidInputError(
            f"all {len(grouped)} pairs have the logit {reference.logits[0]:.3g}, which tells "
            "nothing of ranks; give other pairs"
        )
    return reference


def default_tolerance(made_by: ScoredBy) -> Tolerance:
    """Return what rounding in a scorer's precision accounts for.

    >>> default_tolerance(ScoredBy("mini", precision="float32"))
    Tolerance(largest=0.001, changed_first=0.02)
    """
    largest = FLOAT32_TOLERANCE if made_by.precision == "float32" else TOLERANCE
    return Tolerance(largest, CHANGED_FIRST)


def measure_drift(reference: Reference, scorer: Scorer) -> Drift:
    """Score a reference's pairs again, and compare.

    Raises:
        MissingDependencyError: scipy is not installed; nothing is scored then.
        ScoringError: The scorer failed.
    """
    with needs_extra("calibrate", "measuring drift"):
        import_module("scipy.stats")
    return compare(reference, score_pairs(scorer, reference.pairs), scored_by(scorer))


def compare(reference: Reference, logits: Sequence[float], actual: ScoredBy) -> Drift:
    """Compare a reference with the logits of now, one a pair, in the order of `reference.pairs`."""
    from scipy.stats import spearmanr

    before = reference.logits
    moved = [abs(now - then) for now, then in zip(logits, before, strict=True)]
    constant = len(set(before)) == 1 or len(set(logits)) == 1
    return Drift(
        largest=max(moved),
        mean=fmean(moved),
        rank_correlation=0.0 if constant else float(spearmanr(before, logits).statistic),
        changed_first=_changed_first(reference, logits),
        expected=reference.scored_by,
        actual=actual,
    )


def _changed_first(reference: Reference, logits: Sequence[float]) -> float:
    remaining = iter(logits)
    pairs = [(each.logits, [next(remaining) for _ in each.logits]) for each in reference.queries]
    changed = [_first(before) != _first(now) for before, now in pairs if len(now) > 1]
    return fmean(changed) if changed else 0.0


def _first(logits: Sequence[float]) -> int:
    """Return the place of the highest logit; of equal ones, the first."""
    return max(range(len(logits)), key=logits.__getitem__)
