"""Choose the smallest depth that is about as good as the best one, and name it in the verdict."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from bge_rerank.evaluation.result import DepthPoint, Gain, Verdict
from bge_rerank.evaluation.tally import SAME
from bge_rerank.evaluation.verdict import Demands, decide


@dataclass(frozen=True, slots=True)
class DepthChoice:
    """The recommended depth, and the depth with the best mean, to which it was compared."""

    depth: int
    best: int


def choose_depth(
    values: Mapping[int, Sequence[float]], worth_it: Collection[int]
) -> DepthChoice | None:
    """Choose the smallest depth whose mean is within one standard error of the best mean.

    Breiman, Friedman, Olshen and Stone, "Classification and Regression Trees" (1984), section 3.4.3,
    choose the simplest model by this rule. Each depth ranks the same queries, so the rule takes the
    standard error of the paired difference. (A test whether a depth is worse with 95 % confidence would
    give up more quality with fewer queries.)

    The best depth need not be the deepest: quality can fall as a reranker sees more candidates (Jacob et
    al., "Drowning in Documents", 2024, arXiv 2411.11767).

    Args:
        values: For each depth, nDCG@k of two or more queries, in the same order.
        worth_it: The depths to choose from, at which reranking helps and is fast enough.

    Returns:
        The choice; `None` if `worth_it` is empty.

    >>> choose_depth({5: [0.2, 0.3, 0.1], 10: [0.5, 0.5, 0.5], 20: [0.6, 0.4, 0.5]}, {5, 10, 20})
    DepthChoice(depth=10, best=10)
    """
    if not worth_it:
        return None
    ascending = sorted(worth_it)
    best = max(ascending, key=lambda depth: round(fmean(values[depth]) / SAME))
    close = (depth for depth in ascending if is_close(values[depth], values[best]))
    return DepthChoice(next(close), best)


def is_close(values: Sequence[float], best: Sequence[float]) -> bool:
    """Say whether a mean is at most one standard error of the paired difference below another.

    >>> is_close([0.5, 0.5, 0.5], [0.5, 0.8, 0.5]), is_close([0.5, 0.5, 0.5], [0.7, 0.8, 0.7])
    (True, False)
    """
    losses = [high - low for low, high in zip(values, best, strict=True)]
    return fmean(losses) <= stdev(losses) / sqrt(len(losses)) + SAME


def decide_by_depth(
    whole: Verdict,
    ndcg: Gain,
    points: Sequence[DepthPoint],
    values: Mapping[int, Sequence[float]],
    *,
    k: int,
    demands: Demands,
    keywords: str | None = None,
) -> tuple[Verdict, int | None]:
    """Return the verdict, "rerank" if any depth is worth it, and the recommended depth.

    If a latency budget is given but latencies at smaller depths are missing, no depth is recommended.

    Each depth has its own 95 % interval. So a depth that helps only by chance turns up more often than
    in one of 40 evaluations, as it does with several models.

    Args:
        whole: The verdict at the whole depth.
        ndcg: The change of nDCG@k at the whole depth.
        points: The results by depth, ascending; empty if the model has none.
        values: For each depth, nDCG@k of each query.
        k: As for `decide`.
        demands: As for `decide`.
        keywords: As for `decide`.
    """
    unknown = demands.latency_budget_ms is not None and any(not point.latency for point in points)
    if not points or unknown:
        return whole, None
    gains = {point.depth: _gain(ndcg, point) for point in points}
    at = {
        point.depth: decide(gains[point.depth], point.latency, k, demands, keywords=keywords)
        for point in points
    }
    worth_it = [depth for depth, verdict in at.items() if verdict.decision == "rerank"]
    choice = choose_depth(values, worth_it)
    verdict = whole if len(points) == 1 else _with_choice(whole, gains, at, choice)
    return verdict, choice.depth if choice else None


def _with_choice(
    whole: Verdict,
    gains: Mapping[int, Gain],
    at: Mapping[int, Verdict],
    choice: DepthChoice | None,
) -> Verdict:
    if choice is None:
        return Verdict(whole.decision, (*whole.reasons, "no smaller depth is worth it either"))
    reasons = whole.reasons
    if whole.decision != "rerank":
        against = (f"at depth {max(gains)}, {reason}" for reason in whole.reasons)
        reasons = (f"at depth {choice.depth}, {at[choice.depth].reasons[0]}", *against)
    return Verdict("rerank", (*reasons, why_depth(gains, choice)))


def why_depth(gains: Mapping[int, Gain], choice: DepthChoice) -> str:
    """Say why a depth is recommended.

    >>> gains = {d: Gain("nDCG@10", 0.5, after, after - 0.5, 0.0, 0.2) for d, after in [(5, 0.6), (9, 0.61)]}
    >>> why_depth(gains, DepthChoice(5, best=9))
    'depth 5 is recommended: its nDCG@10 of 0.600 is within one standard error of the best, 0.610 at depth 9'
    >>> why_depth(gains, DepthChoice(9, best=9))
    'depth 9 is recommended: its nDCG@10 of 0.610 is the best, and no smaller depth is within one standard error'
    """
    chosen, best = gains[choice.depth], gains[choice.best]
    its = f"its {chosen.measure} of {chosen.after:.3f}"
    if choice.depth == choice.best:
        reason = f"{its} is the best, and no smaller depth is within one standard error"
    else:
        reason = f"{its} is within one standard error of the best, {best.after:.3f} at depth {choice.best}"
    return f"depth {choice.depth} is recommended: {reason}"


def _gain(ndcg: Gain, point: DepthPoint) -> Gain:
    return Gain(
        ndcg.measure, ndcg.before, point.after, point.after - ndcg.before, point.low, point.high
    )
