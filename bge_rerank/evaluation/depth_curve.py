"""Quality and latency by depth, computed from the records of the queries."""

from __future__ import annotations

from statistics import fmean

from bge_rerank.evaluation.depths import DepthPlan
from bge_rerank.evaluation.paired import bootstrap_interval
from bge_rerank.evaluation.result import Change, DepthPoint, Latency
from bge_rerank.evaluation.tally import Tally, differences


def depth_points(
    tally: Tally, model: str, plan: DepthPlan, whole: Change, latency: Latency
) -> list[DepthPoint]:
    """Compute the results by depth of a model.

    A smaller depth is left out if no query has more candidates than it. The whole depth is named by the
    most candidates that a query has.

    Args:
        tally: The records of the queries.
        model: The model's name.
        plan: The depths.
        whole: The change of nDCG@k at the whole depth.
        latency: The latency at the whole depth.
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
    return [*points, DepthPoint(tally.most, whole.after, whole.low, whole.high, took)]


def depth_notes(tally: Tally, plan: DepthPlan) -> list[str]:
    """Say which models lack results or latencies by depth, and why."""
    if not plan.smaller:
        return []
    lacking = [
        f"{model} has no results by depth: its {reason}"
        for model, reason in plan.without_curve.items()
    ]
    return lacking + [
        f"the latency of {model} by depth was not measured: its scorer keeps scores, so a second "
        "ranking would only look them up; evaluate without score_cache"
        for model in tally.after
        if plan.has_curve(model) and not _has_cost(tally, model, plan)
    ]


def _has_cost(tally: Tally, model: str, plan: DepthPlan) -> bool:
    """Say whether latencies by depth are known, perhaps from an earlier run on the same file."""
    return plan.has_cost(model) or any(tally.depth_milliseconds[model])
