"""`Tally`: the numbers of all queries, gathered one query at a time; texts of the worst losses alone."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Sequence
from itertools import count

from bge_rerank.evaluation.records import QueryRecord
from bge_rerank.evaluation.result import Loss

WORST = 5
"""How many of the largest losses are kept with their texts."""
SAME = 1e-9
"""Differences of nDCG up to this one are rounding."""


class Tally:
    """What is held of the queries measured so far: some numbers each.

    Attributes:
        ids: Of the queries.
        relevant: How many relevant passages the labels name.
        found: How many of them are among the candidates.
        before: A measure's values, in the order of measuring, for each measure.
        after: The same, by model.
        milliseconds: What reranking took, by model.
        shares: Of its agreement with the first stage, by model, from the queries that tell one.
        correlations: The same for the rank correlations.
        keywords: Whether each query is keywords, in the order of measuring.
        most: The most candidates that a query had.
        depths: nDCG@k's values at a depth below the whole one, for each of those, by model; no values
            where a model has no curve.
        depth_milliseconds: What reranking took at that depth, of the queries that were timed.
    """

    def __init__(self, models: Sequence[str], measures: int, smaller_depths: int = 0) -> None:
        """Begin with nothing.

        Args:
            models: Their names.
            measures: How many numbers a ranking has, nDCG first.
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
        self._worst: dict[str, list[tuple[float, int, Loss]]] = {model: [] for model in models}
        self._numbers = count()

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, record: QueryRecord) -> None:
        """Take a query's numbers in."""
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
                self._keep_worst(model, record.losses[model])

    def differences(self, model: str, measure: int = 0) -> list[float]:
        """Return after minus before of a measure, a value a query; rounding counts as 0."""
        return _differences(self.after[model][measure], self.before[measure])

    def depth_differences(self, model: str, place: int) -> list[float]:
        """Return nDCG@k at a smaller depth minus before, a value a query; rounding counts as 0."""
        return _differences(self.depths[model][place], self.before[0])

    def worst(self, model: str) -> list[Loss]:
        """Return the largest losses, the worst first; of equal ones those that came first."""
        return [loss for _, _, loss in sorted(self._worst[model], reverse=True)]

    def _keep_worst(self, model: str, loss: Loss) -> None:
        # The number decides between equal losses, and no two are compared further.
        item = (-loss.difference, -next(self._numbers), loss)
        worst = self._worst[model]
        if len(worst) < WORST:
            heapq.heappush(worst, item)
        else:
            heapq.heappushpop(worst, item)


def _columns(measures: int) -> list[array[float]]:
    return [array("d") for _ in range(measures)]


def _append(columns: Sequence[array[float]], values: Sequence[float]) -> None:
    for column, value in zip(columns, values, strict=True):
        column.append(value)


def _append_told(column: array[float], value: float | None) -> None:
    if value is not None:
        column.append(value)


def _differences(after: Sequence[float], before: Sequence[float]) -> list[float]:
    return [_difference(*values) for values in zip(after, before, strict=True)]


def _difference(after: float, before: float) -> float:
    difference = after - before
    return difference if abs(difference) > SAME else 0.0
