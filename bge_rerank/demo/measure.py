"""Ranking quality by `ir-measures`: nDCG@10 and MRR@10 over a test collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import ir_measures
from ir_measures import RR, nDCG

Rankings = Mapping[str, Iterable[str]]
"""Question id to passage ids, best first."""

NDCG = nDCG @ 10
MRR = RR(rel=2) @ 10
"""The first passage that answers counts; one that only helps partly does not."""


def mean_quality(
    judgements: Mapping[str, Mapping[str, int]], rankings: Rankings
) -> dict[str, float]:
    """Return nDCG@10 and MRR@10, each the mean over the questions, 0..1.

    >>> mean_quality({"q": {"a": 2, "b": 0}}, {"q": ["b", "a"]})["MRR@10"]
    0.5
    """
    means = ir_measures.calc_aggregate([NDCG, MRR], judgements, _run(rankings))
    return {"nDCG@10": float(means[NDCG]), "MRR@10": float(means[MRR])}


def ndcg_by_question(
    judgements: Mapping[str, Mapping[str, int]], rankings: Rankings
) -> dict[str, float]:
    """Return nDCG@10 of each question, 0..1."""
    measured = ir_measures.iter_calc([NDCG], judgements, _run(rankings))
    return {metric.query_id: float(metric.value) for metric in measured}


def _run(rankings: Rankings) -> dict[str, dict[str, float]]:
    """Turn an order into the scores that `ir-measures` sorts by."""
    return {
        question: {passage: -float(rank) for rank, passage in enumerate(passages)}
        for question, passages in rankings.items()
    }
