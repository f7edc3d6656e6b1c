"""`build_evaluation`: turn the numbers of the queries into an `Evaluation`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean
from typing import Any

from bge_rerank.evaluation.agreement import disagreement_notes, mean_agreement
from bge_rerank.evaluation.depth_choice import decide_by_depth
from bge_rerank.evaluation.depth_curve import depth_notes, depth_points
from bge_rerank.evaluation.depths import DepthPlan
from bge_rerank.evaluation.keyword_queries import why_not_keywords
from bge_rerank.evaluation.measures import measure_names
from bge_rerank.evaluation.paired import bootstrap_interval, randomisation_p_value
from bge_rerank.evaluation.result import Change, Evaluation, Latency, ModelResult, Verdict
from bge_rerank.evaluation.tally import Tally, differences
from bge_rerank.evaluation.verdict import TIGHT_BUDGET_MS, Demands, decide, too_little_data

SMALL_CORPUS = 1_000
"""The number of passages below which the report warns: a larger corpus may show another gain."""


def build_evaluation(
    tally: Tally, settings: Mapping[str, Any], k: int, plan: DepthPlan, demands: Demands
) -> Evaluation:
    """Compute means, intervals, tests and verdicts."""
    models = tuple(_model_result(tally, model, k, plan, demands) for model in tally.after)
    return Evaluation(
        settings=settings,
        k=k,
        depth=tally.most,
        queries=len(tally),
        relevant=tally.relevant,
        found=tally.found,
        notes=(*_notes(demands), *depth_notes(tally, plan), *disagreement_notes(models)),
        models=models,
    )


def _model_result(
    tally: Tally, model: str, k: int, plan: DepthPlan, demands: Demands
) -> ModelResult:
    """Return counts, figures and verdict; with too little data, no figures."""
    lacking = too_little_data(len(tally), tally.found)
    if lacking:
        return _counted(tally, model, Verdict("not enough data", (lacking,)))
    changes = [_change(tally, model, place, name) for place, name in enumerate(measure_names(k))]
    latency = Latency.of(tally.milliseconds[model])
    points = depth_points(tally, model, plan, changes[0], latency)
    timed = any(point.latency for point in points[:-1])
    keywords = why_not_keywords(tally.keywords, _differences(tally, model))
    whole = decide(changes[0], latency, k, demands, keywords=keywords, smaller_depths=timed)
    columns = [*tally.depths[model], tally.after[model][0]]
    values = dict(zip((*plan.smaller, tally.most), columns, strict=True))
    verdict, recommended = decide_by_depth(
        whole, changes[0], points, values, k=k, demands=demands, keywords=keywords
    )
    return replace(
        _counted(tally, model, verdict),
        changes=tuple(changes),
        latency=latency,
        depths=tuple(points),
        recommended_depth=recommended,
        agreement=mean_agreement(tally.shares[model], tally.correlations[model]),
    )


def _counted(tally: Tally, model: str, verdict: Verdict) -> ModelResult:
    """Return the result without figures, which any number of queries allows."""
    changes = _differences(tally, model)
    return ModelResult(
        name=model,
        verdict=verdict,
        changes=(),
        latency=None,
        wins=sum(change > 0 for change in changes),
        losses=sum(change < 0 for change in changes),
        ties=changes.count(0),
        worst=tuple(tally.worst[model]),
        differences=tuple(changes),
        milliseconds=tuple(tally.milliseconds[model]),
    )


def _differences(tally: Tally, model: str, place: int = 0) -> list[float]:
    return differences(tally.after[model][place], tally.before[place])


def _change(tally: Tally, model: str, place: int, name: str) -> Change:
    changes = _differences(tally, model, place)
    low, high = bootstrap_interval(changes)
    return Change(
        measure=name,
        before=fmean(tally.before[place]),
        after=fmean(tally.after[model][place]),
        difference=fmean(changes),
        low=low,
        high=high,
        p_value=randomisation_p_value(changes),
    )


def _notes(demands: Demands) -> list[str]:
    notes = []
    budget, size = demands.latency_budget_ms, demands.corpus_size
    if budget is not None and budget < TIGHT_BUDGET_MS:
        notes.append(
            f"a budget of {budget:g} ms is tight: in less than {TIGHT_BUDGET_MS:g} ms, a cross-encoder "
            "ranks only a few passages, unless the model is small or runs on an accelerator"
        )
    if size is not None and size < SMALL_CORPUS:
        notes.append(
            f"the corpus has only {size} passages; on a larger corpus, the gain may differ"
        )
    return notes
