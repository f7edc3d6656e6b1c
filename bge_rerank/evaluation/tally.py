"""`Tally`: the numbers of all queries, added one query at a time, with the texts of the worst losses."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from bge_rerank.evaluation.records import QueryRecord
from bge_rerank.evaluation.result import Loss

WORST = 5
"""The number of largest losses to keep, with their texts."""
SAME = 1e-9
"""The largest difference of nDCG that counts as rounding."""


class Tally:
    """The numbers of the queries measured so far, in the order of measuring.

    Attributes:
        relevant: How many relevant passages the labels name.
        found: How many of these are among the candidates.
        before: For each measure, a value per query.
        after: The same for the reranked order, by model.
        shares: Shares of the agreement with the first stage, by model; queries without a share have no
            value.
        correlations: Rank correlations, in the same form.
        most: The most candidates of a query that were reranked.
        depths: For each depth below the whole depth, nDCG@k per query, by model; empty for a model
            without results by depth.
        depth_milliseconds: For each of these depths, the latency of each query that was timed, by model.
        worst: The largest losses by model, the worst first; of equal losses, the first measured.
    """

    def __init__(self, models: Sequence[str], measures: int, smaller_depths: int = 0) -> None:
        """Start without queries.

        Args:
            models: The models' names.
            measures: The number of measures of a ranking, nDCG first.
            smaller_depths: The number of depths below the whole depth.
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
    """Return after minus before for each query; rounding counts as 0."""
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
