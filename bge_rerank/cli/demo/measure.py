"""Ranking quality over a labelled collection: nDCG@10 and MRR@10."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import fmean

from bge_rerank.evaluation.measures import Values, measure_rankings

Rankings = Mapping[str, Iterable[str]]
"""Question id to passage ids, best first."""

ANSWERS = 2
"""The lowest grade that counts for MRR, which leaves out passages that only help."""


def mean_quality(
    judgements: Mapping[str, Mapping[str, int]], rankings: Rankings
) -> dict[str, float]:
    """Return nDCG@10 and MRR@10, each the mean over the questions, 0..1.

    >>> mean_quality({"q": {"a": 2, "b": 0}}, {"q": ["b", "a"]})["MRR@10"]
    0.5
    """
    measured = _by_question(judgements, rankings).values()
    return {name: fmean(values[name] for values in measured) for name in ("nDCG@10", "MRR@10")}


def ndcg_by_question(
    judgements: Mapping[str, Mapping[str, int]], rankings: Rankings
) -> dict[str, float]:
    """Return nDCG@10 of each question, 0..1."""
    measured = _by_question(judgements, rankings)
    return {question: values["nDCG@10"] for question, values in measured.items()}


def _by_question(
    judgements: Mapping[str, Mapping[str, int]], rankings: Rankings
) -> dict[str, Values]:
    """Measure each question; a question without a ranking measures 0."""
    return {
        question: measure_rankings(
            judged, [list(rankings.get(question, ()))], lowest_grade=ANSWERS
        )[0]
        for question, judged in judgements.items()
    }
