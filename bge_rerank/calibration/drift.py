"""Drift: whether a model still gives the same scores for a fixed set of pairs."""

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
"""The tolerated difference of a logit. Batches of other lengths change it by 1e-4 in float32, and by some
hundredths in lower precision."""
CHANGED_FIRST = 0.02
"""The tolerated share of queries with another first passage: rounding decides between equal passages."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far scores may move before that counts as drift.

    Attributes:
        largest: The largest difference of one logit, 0 or more.
        changed_first: The share (0..1) of queries that may have another first passage.

    Raises:
        DriftError: A value is out of range.
    """

    largest: float
    changed_first: float

    def __post_init__(self) -> None:
        if not (0.0 <= self.largest < float("inf") and 0.0 <= self.changed_first <= 1.0):
            raise DriftError(
                f"{self} is out of range; pass a largest of 0 or more, and a changed_first of 0 to 1"
            )


@dataclass(frozen=True, slots=True)
class ReferenceQuery:
    """A query, its passages, and the logit of each passage.

    Raises:
        DriftError: `passages` is empty, or does not have exactly one finite logit per passage.
    """

    query: str
    passages: tuple[str, ...]
    logits: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.passages or len(self.passages) != len(self.logits):
            raise DriftError(
                f"{self.query!r:.80} has {len(self.passages)} passages and {len(self.logits)} "
                "logits; write the reference again"
            )
        if not all(map(isfinite, self.logits)):
            raise DriftError(
                f"{self.query!r:.80} has a logit that is not finite; write the reference again"
            )


@dataclass(frozen=True, slots=True)
class Reference:
    """Pairs with the logits that a model gave them.

    `make_reference` makes one, and `measure_drift` compares a scorer with it.

    Attributes:
        scored_by: The model of the logits, with revision, precision and `max_length`.
        tolerance: How far scores may move.
        queries: The queries with their passages and logits.
        format: The version of the file format.

    Raises:
        DriftError: `queries` is empty.
    """

    scored_by: ScoredBy
    tolerance: Tolerance
    queries: tuple[ReferenceQuery, ...]
    format: int = FORMAT

    def __post_init__(self) -> None:
        if not self.queries:
            raise DriftError("the reference has no queries; write it again")

    @property
    def pairs(self) -> list[Pair]:
        """The (query, passage) pairs, query by query."""
        return [(each.query, passage) for each in self.queries for passage in each.passages]

    @property
    def logits(self) -> list[float]:
        """The logit of each pair, in the order of `pairs`."""
        return [logit for each in self.queries for logit in each.logits]

    def save(self, path: str | PathLike[str]) -> None:
        """Write the reference to a JSON file.

        Raises:
            OSError: The file cannot be written.
        """
        write_json(path, KIND, self)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Reference:
        """Read a reference from a JSON file.

        Raises:
            DriftError: The file cannot be read, or is not a valid reference of this format.
        """
        return read_json(path, KIND, FORMAT, cls, DriftError)


@dataclass(frozen=True, slots=True)
class Drift:
    """How far the scores of a reference moved.

    Attributes:
        largest: The largest absolute difference of a pair's logits.
        mean: The mean absolute difference.
        rank_correlation: Spearman's rank correlation of all logits, -1..1; 0 if all are equal.
        changed_first: The share (0..1) of queries with another first passage, among the queries with
            two or more passages.
        expected: The model of the reference.
        actual: The model that was measured.
    """

    largest: float
    mean: float
    rank_correlation: float
    changed_first: float
    expected: ScoredBy
    actual: ScoredBy

    def faults(self, tolerance: Tolerance) -> list[str]:
        """Return a sentence for each value above the tolerance.

        >>> drift = Drift(0.5, 0.1, 0.99, 0.0, ScoredBy("a"), ScoredBy("a"))
        >>> drift.faults(Tolerance(largest=0.25, changed_first=0.02))
        ['a logit moved by 0.5, more than 0.25']
        """
        faults = []
        if self.largest > tolerance.largest:
            faults.append(f"a logit moved by {self.largest:.3g}, more than {tolerance.largest:.3g}")
        if self.changed_first > tolerance.changed_first:
            faults.append(
                f"{self.changed_first:.1%} of the queries have another first passage, more than "
                f"{tolerance.changed_first:.1%}"
            )
        return faults


def make_reference(
    scorer: Scorer, pairs: Sequence[Pair], tolerance: Tolerance | None = None
) -> Reference:
    """Score pairs and return them with their logits.

    Args:
        scorer: The model, with the options that you use it with.
        pairs: (query, passage) pairs. Duplicates count once.
        tolerance: How far scores may move. `None` allows another first passage for 2 % of the queries,
            and a logit to differ by 0.001 in float32 or 0.25 in lower precision.

    Raises:
        InvalidInputError: `pairs` is empty, or all pairs have the same logit.
        ScoringError: The scorer failed.

    >>> from bge_rerank import load_scorer
    >>> scorer = load_scorer("mini")
    >>> passages = ["Bread rises on yeast.", "The Moon raises the tides."]
    >>> reference = make_reference(scorer, [("what causes tides", each) for each in passages])
    >>> measure_drift(reference, scorer).faults(reference.tolerance)
    []
    """
    if not pairs:
        raise InvalidInputError(
            "the list of pairs is empty; pass at least two pairs of query and passage"
        )
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
            f"all {len(grouped)} pairs have the logit {reference.logits[0]:.3g}, so their ranks cannot "
            "be compared; pass other pairs"
        )
    return reference


def default_tolerance(made_by: ScoredBy) -> Tolerance:
    """Return the tolerance for the rounding of a scorer's precision.

    >>> default_tolerance(ScoredBy("mini", precision="float32"))
    Tolerance(largest=0.001, changed_first=0.02)
    """
    largest = FLOAT32_TOLERANCE if made_by.precision == "float32" else TOLERANCE
    return Tolerance(largest, CHANGED_FIRST)


def measure_drift(reference: Reference, scorer: Scorer) -> Drift:
    """Score the pairs of a reference again and return how far their scores moved.

    Raises:
        MissingDependencyError: scipy is not installed. This is raised before anything is scored.
        ScoringError: The scorer failed.
    """
    with needs_extra("calibrate", "measuring drift"):
        import_module("scipy.stats")
    return compare(reference, score_pairs(scorer, reference.pairs), scored_by(scorer))


def compare(reference: Reference, logits: Sequence[float], actual: ScoredBy) -> Drift:
    """Compare a reference with new logits, one per pair, in the order of `reference.pairs`."""
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
    """Return the position of the highest logit, the first of equal ones."""
    return max(range(len(logits)), key=logits.__getitem__)
