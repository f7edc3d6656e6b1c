"""`build_evaluation`: from the numbers of the queries to an `Evaluation`."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any, NamedTuple

from bge_rerank.evaluation.agreement import disagreement_notes, mean_agreement
from bge_rerank.evaluation.depth_choice import decide_by_depth
from bge_rerank.evaluation.depth_curve import depth_notes, depth_points
from bge_rerank.evaluation.depths import DepthPlan
from bge_rerank.evaluation.keyword_queries import why_not_keywords
from bge_rerank.evaluation.measures import measure_names
from bge_rerank.evaluation.paired import bootstrap_interval, randomisation_p_value
from bge_rerank.evaluation.result import (
    Change,
    DepthPoint,
    Evaluation,
    Latency,
    ModelResult,
    Verdict,
)
from bge_rerank.evaluation.tally import Tally
from bge_rerank.evaluation.verdict import TIGHT_BUDGET_MS, Demands, decide, too_little_data

SMALL_CORPUS = 1_000
"""Passages; on a larger corpus the first stage has more to confuse, and the gain is another."""


def build_evaluation(
    tally: Tally, settings: Mapping[str, Any], k: int, plan: DepthPlan, demands: Demands
) -> Evaluation:
    """Compute means, intervals, tests and verdicts.

    Args:
        tally: The numbers of the queries.
        settings: What was measured and how.
        k: How many of the first passages the measures look at.
        plan: Which depths were compared.
        demands: What the figures are measured against.
    """
    models = tuple(_model_result(tally, model, k, plan, demands) for model in tally.after)
    return Evaluation(
        settings=settings,
        k=k,
        depth=plan.depths[-1],
        queries=len(tally),
        relevant=tally.relevant,
        found=tally.found,
        notes=(*_notes(demands), *depth_notes(tally, plan), *disagreement_notes(models)),
        models=models,
    )


def _model_result(
    tally: Tally, model: str, k: int, plan: DepthPlan, demands: Demands
) -> ModelResult:
    differences = tally.differences(model)
    judged = _judged(tally, model, k, plan, demands)
    return ModelResult(
        name=model,
        verdict=judged.verdict,
        changes=judged.changes,
        latency=judged.latency,
        wins=sum(difference > 0 for difference in differences),
        losses=sum(difference < 0 for difference in differences),
        ties=sum(difference == 0 for difference in differences),
        worst=tuple(tally.worst(model)),
        differences=tuple(differences),
        milliseconds=tuple(tally.milliseconds[model]),
        depths=judged.depths,
        recommended_depth=judged.recommended_depth,
        # Where there are too few queries, there are no changes either.
        agreement=mean_agreement(tally.shares[model], tally.correlations[model])
        if judged.changes
        else None,
    )


class _Judged(NamedTuple):
    """The figures and the verdict; no figures where the data cannot carry them."""

    verdict: Verdict
    changes: tuple[Change, ...] = ()
    latency: Latency | None = None
    depths: tuple[DepthPoint, ...] = ()
    recommended_depth: int | None = None


def _judged(tally: Tally, model: str, k: int, plan: DepthPlan, demands: Demands) -> _Judged:
    lacking = too_little_data(len(tally), tally.found)
    if lacking:
        return _Judged(Verdict("not enough data", (lacking,)))
    changes = [_change(tally, model, place, name) for place, name in enumerate(measure_names(k))]
    latency = Latency.of(tally.milliseconds[model])
    points = depth_points(tally, model, plan, changes[0], latency)
    timed = any(point.latency for point in points[:-1])
    keywords = why_not_keywords(tally.keywords, tally.differences(model))
    whole = decide(changes[0], latency, k, demands, keywords=keywords, smaller_depths=timed)
    columns = [*tally.depths[model], tally.after[model][0]]
    values = dict(zip(plan.depths, columns, strict=True))
    verdict, recommended = decide_by_depth(
        whole, changes[0], points, values, k=k, demands=demands, keywords=keywords
    )
    return _Judged(verdict, tuple(changes), latency, tuple(points), recommended)


def _change(tally: Tally, model: str, place: int, name: str) -> Change:
    differences = tally.differences(model, place)
    low, high = bootstrap_interval(differences)
    return Change(
        measure=name,
        before=fmean(tally.before[place]),
        after=fmean(tally.after[model][place]),
        difference=fmean(differences),
        low=low,
        high=high,
        p_value=randomisation_p_value(differences),
    )


def _notes(demands: Demands) -> list[str]:
    notes = []
    budget, size = demands.latency_budget_ms, demands.corpus_size
    if budget is not None and budget < TIGHT_BUDGET_MS:
        notes.append(
            f"a budget of {budget:g} ms is tight: under {TIGHT_BUDGET_MS:g} ms, a cross-encoder has "
            "time for a few passages only, unless it is small or has an accelerator"
        )
    if size is not None and size < SMALL_CORPUS:
        notes.append(f"the corpus has {size} passages; with more of them the gain may be another")
    return notes
