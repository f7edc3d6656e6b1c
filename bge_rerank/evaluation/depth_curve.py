"""Quality and latency by depth, from the numbers of the queries."""

from __future__ import annotations

from statistics import fmean

from bge_rerank.evaluation.depths import DepthPlan
from bge_rerank.evaluation.paired import bootstrap_interval
from bge_rerank.evaluation.result import Change, DepthPoint, Latency
from bge_rerank.evaluation.tally import Tally, differences


def depth_points(
    tally: Tally, model: str, plan: DepthPlan, whole: Change, latency: Latency
) -> list[DepthPoint]:
    """Compute the curve of a model, without the depths that no query has more candidates than.

    `whole` is the change of nDCG@k at the whole depth, and `latency` the latency there.
    """
    if not plan.has_curve(model):
        return []
    points = []
    for place, (depth, values) in enumerate(zip(plan.smaller, tally.depths[model], strict=True)):
        if depth < tally.most:
            low, high = bootstrap_interval(differences(values, tally.before[0]))
            milliseconds = tally.depth_milliseconds[model][place]
            took = Latency.of(milliseconds) if len(milliseconds) > 1 else None
            points.append(DepthPoint(depth, fmean(values), low, high, took))
    took = latency if _has_cost(tally, model, plan) else None
    return [*points, DepthPoint(plan.depths[-1], whole.after, whole.low, whole.high, took)]


def depth_notes(tally: Tally, plan: DepthPlan) -> list[str]:
    """Say which models lack a curve, or what their depths take, and why."""
    if not plan.smaller:
        return []
    lacking = [
        f"{model} has no curve of depths: its {reason}"
        for model, reason in plan.without_curve.items()
    ]
    return lacking + [
        f"what {model} takes by depth was not measured: its scorer keeps scores, and a second "
        "ranking looks them up; evaluate it without score_cache"
        for model in tally.after
        if plan.has_curve(model) and not _has_cost(tally, model, plan)
    ]


def _has_cost(tally: Tally, model: str, plan: DepthPlan) -> bool:
    """Say whether times are no look-ups; an earlier run on the same file may have measured some."""
    return plan.has_cost(model) or any(tally.depth_milliseconds[model])
