"""`Tally`: the numbers of all queries, gathered one query at a time; texts of the worst losses alone."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from bge_rerank.evaluation.records import QueryRecord
from bge_rerank.evaluation.result import Loss

WORST = 5
"""How many of the largest losses are kept with their texts."""
SAME = 1e-9
"""Differences of nDCG up to this one are rounding."""


class Tally:
    """Numbers of the queries measured so far, in the order of measuring.

    Attributes:
        relevant: How many relevant passages the labels name.
        found: How many of them are among the candidates.
        before: For each measure, its values.
        after: The same, by model.
        shares: Of the agreement with the first stage, by model, from the queries that tell one.
        correlations: The same for the rank correlations.
        most: The most candidates that a query had.
        depths: For each depth below the whole one, the values of nDCG@k, by model; no values where a
            model has no curve.
        depth_milliseconds: The latency at each of these depths, of the queries that were timed.
        worst: The largest losses by model, the worst first; of equal ones, the first measured.
    """

    def __init__(self, models: Sequence[str], measures: int, smaller_depths: int = 0) -> None:
        """Begin with nothing.

        Args:
            models: The models' names.
            measures: How many measures a ranking has, nDCG first.
            smaller_depths: How many depths below the whole one are compared.
        """
        self.ids: set[str] = set()
        self.relevant = 0
        self.found = 0
        self.before = _columns(measures)
        self.after = {model: _columns(measures) for model in models}
        self.milliseconds = {model: array("d") for model in models}
        self.shares = {model: array("d") for model in models}
        self.correlations = {model: array("d") for model in models}
        self.keywords: list[bool] = []
        self.most = 0
        self.depths = {model: _columns(smaller_depths) for model in models}
        self.depth_milliseconds = {model: _columns(smaller_depths) for model in models}
        self.worst: dict[str, list[Loss]] = {model: [] for model in models}

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, record: QueryRecord) -> None:
        """Add a query's numbers."""
        self.ids.add(record.id)
        self.relevant += record.relevant
        self.found += record.found
        self.keywords.append(record.keywords)
        self.most = max(self.most, record.candidates)
        _append(self.before, record.before)
        for model, columns in self.after.items():
            _append(columns, record.after[model])
            self.milliseconds[model].append(record.milliseconds[model])
            _append_told(self.shares[model], record.agreement[model].share)
            _append_told(self.correlations[model], record.agreement[model].rank_correlation)
            if model in record.depths:
                _append(self.depths[model], record.depths[model])
            if model in record.depth_milliseconds:
                _append(self.depth_milliseconds[model], record.depth_milliseconds[model])
            if model in record.losses:
                losses = [*self.worst[model], record.losses[model]]
                self.worst[model] = sorted(losses, key=lambda loss: loss.difference)[:WORST]


def differences(after: Sequence[float], before: Sequence[float]) -> list[float]:
    """Return after minus before, a value a query; rounding counts as 0."""
    changes = (new - old for new, old in zip(after, before, strict=True))
    return [change if abs(change) > SAME else 0.0 for change in changes]


def _columns(count: int) -> list[array[float]]:
    return [array("d") for _ in range(count)]


def _append(columns: Sequence[array[float]], values: Sequence[float]) -> None:
    for column, value in zip(columns, values, strict=True):
        column.append(value)


def _append_told(column: array[float], value: float | None) -> None:
    if value is not None:
        column.append(value)
