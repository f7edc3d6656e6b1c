"""Measures of a query's rankings, by `ir-measures`: nDCG@k, MRR@k, Recall@k and Hit@k."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bge_rerank.extras import needs_extra

Values = dict[str, float]
"""The name of a measure to its value, 0..1."""


def measure_names(k: int) -> tuple[str, ...]:
    """Return the measures' names, nDCG first.

    >>> measure_names(10)
    ('nDCG@10', 'MRR@10', 'Recall@10', 'Hit@10')
    """
    return tuple(f"{name}@{k}" for name in ("nDCG", "MRR", "Recall", "Hit"))


def measure_rankings(
    relevant: Mapping[str, int],
    rankings: Sequence[Sequence[str]],
    k: int = 10,
    lowest_grade: int = 1,
) -> list[Values]:
    """Return the measures of each ranking of one query's passages; an empty ranking has 0 in all.

    As in trec_eval, nDCG's gain is the grade, and its discount is log2(rank + 1).

    Args:
        relevant: Passage id to grade. Labels of passages that are not in a ranking count too.
        rankings: For each ranking, the passage ids, best first.
        k: How many of the first passages count.
        lowest_grade: The lowest grade that counts as relevant for MRR, Recall and Hit.

    Returns:
        For each ranking, the measures by name, 0..1.

    Raises:
        MissingDependencyError: `ir-measures` is not installed.

    >>> before, after = measure_rankings({"a": 2, "b": 1}, [["x", "b"], ["a", "b"]])
    >>> before["MRR@10"], before["Recall@10"], after["nDCG@10"]
    (0.5, 0.5, 1.0)
    """
    with needs_extra("evaluate", "measuring rankings"):
        import ir_measures
    measures = _measures(k, lowest_grade)
    measured = [dict.fromkeys(measures.values(), 0.0) for _ in rankings]
    run = {str(place): _scores(ranking) for place, ranking in enumerate(rankings) if ranking}
    if run:
        grades = {passage: max(grade, 0) for passage, grade in relevant.items()}
        for metric in ir_measures.iter_calc(list(measures), dict.fromkeys(run, grades), run):
            measured[int(metric.query_id)][measures[metric.measure]] = float(metric.value)
    return measured


def _measures(k: int, lowest_grade: int) -> dict[Any, str]:
    from ir_measures import RR, R, Success, nDCG

    binary = (family(rel=lowest_grade) @ k for family in (RR, R, Success))
    return dict(zip((nDCG @ k, *binary), measure_names(k), strict=True))


def _scores(ranking: Sequence[str]) -> dict[str, float]:
    """Turn a ranking into scores, by which `ir-measures` sorts."""
    return {passage: -float(rank) for rank, passage in enumerate(ranking)}
