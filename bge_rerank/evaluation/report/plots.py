"""The plots of the HTML report: quality by depth, the gain of each query, quality over latency."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, groupby

from markupsafe import Markup
from matplotlib.axes import Axes

from bge_rerank.evaluation.report.inline_svg import inline_svg
from bge_rerank.evaluation.report.palette import light, series
from bge_rerank.evaluation.result import ModelResult

WIDE = (4.8, 3.0)
FLAT = (4.4, 2.5)
BESIDE = 1.03
"""The distance between the points of two models at one depth, as a factor."""
DIGITS = 3
"""Decimal places of a difference. More would not be visible, and would make the SVG large."""


def depth_plot(models: Sequence[ModelResult]) -> Markup:
    """Draw a line with intervals for each model, and a horizontal line for the first stage.

    Return an empty string if no model has results at two depths.
    """
    if all(len(model.depths) <= 1 for model in models):
        return Markup()
    return inline_svg(lambda axes: _draw_depths(axes, models), "depth", WIDE)


def _draw_depths(axes: Axes, models: Sequence[ModelResult]) -> None:
    before = models[0].changes[0].before
    axes.axhline(before, color=light("soft"), linestyle="--")
    for number, model in enumerate(models):
        aside = BESIDE ** (number - (len(models) - 1) / 2)
        _draw_curve(axes, model, number, before, aside)
    ticks = sorted({point.depth for model in models for point in model.depths})
    axes.set_xscale("log")
    axes.set_xticks(ticks, [str(depth) for depth in ticks])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="candidates reranked", ylabel=models[0].changes[0].measure)


def _draw_curve(axes: Axes, model: ModelResult, number: int, before: float, aside: float) -> None:
    colour, marker = series(number).colour, series(number).marker
    depths = [point.depth * aside for point in model.depths]
    lows = [before + point.low for point in model.depths]
    highs = [before + point.high for point in model.depths]
    axes.vlines(depths, lows, highs, color=colour, linewidth=1.5)
    axes.plot(depths, [point.after for point in model.depths], color=colour, marker=marker)
    for depth, point in zip(depths, model.depths, strict=True):
        if point.depth == model.recommended_depth:
            axes.plot(depth, point.after, marker="o", ms=14, fillstyle="none", color=light("ink"))


def gain_plot(differences: Sequence[float], name: str, limit: float, measure: str) -> Markup:
    """Draw the differences in descending order, on an axis from `-limit` to `limit`.

    The SVG's size does not grow with the number of queries.
    """
    return inline_svg(lambda axes: _draw_gains(axes, differences, limit, measure), name, FLAT)


def _draw_gains(axes: Axes, differences: Sequence[float], limit: float, measure: str) -> None:
    values, edges = steps(differences)
    wins = [max(value, 0.0) for value in values]
    losses = [min(value, 0.0) for value in values]
    axes.stairs(wins, edges, fill=True, color=light("up"))
    axes.stairs(losses, edges, fill=True, color=light("down"))
    axes.axhline(0, color=light("soft"), linewidth=0.8)
    axes.set(xlim=(0, len(differences)), ylim=(-limit, limit))
    axes.set(xlabel="queries, the largest gain first", ylabel=f"change of {measure}")


def steps(differences: Sequence[float]) -> tuple[list[float], list[int]]:
    """Return the rounded values in descending order, and the edges of their steps.

    An edge is the number of differences before it. There is one more edge than values.

    >>> steps([-0.5, 0.0, 0.25, 0.0])
    ([0.25, 0.0, -0.5], [0, 1, 3, 4])
    """
    ordered = sorted((round(difference, DIGITS) for difference in differences), reverse=True)
    runs = [(value, len(list(run))) for value, run in groupby(ordered)]
    return [value for value, _ in runs], [0, *accumulate(count for _, count in runs)]


def latency_plot(models: Sequence[ModelResult]) -> Markup:
    """Draw each model's nDCG@k and interval over its median latency, with a bar to the 95th percentile."""
    return inline_svg(lambda axes: _draw_latencies(axes, models), "latency", WIDE)


def _draw_latencies(axes: Axes, models: Sequence[ModelResult]) -> None:
    first = models[0].changes[0]
    axes.axhline(first.before, color=light("soft"), linestyle="--")
    axes.plot(0, first.before, marker="o", ms=8, color=light("soft"), clip_on=False)
    for number, model in enumerate(models):
        _draw_latency(axes, model, number)
    axes.set_xlim(left=0)
    axes.set(xlabel="milliseconds per query", ylabel=first.measure)


def _draw_latency(axes: Axes, model: ModelResult, number: int) -> None:
    colour, marker, ndcg = series(number).colour, series(number).marker, model.changes[0]
    if model.latency is None:
        return
    p50, p95 = model.latency.p50, model.latency.p95
    axes.plot([p50, p95], [ndcg.after] * 2, color=colour, marker="|", markevery=[1], ms=10)
    axes.vlines(p50, ndcg.before + ndcg.low, ndcg.before + ndcg.high, color=colour)
    axes.plot(p50, ndcg.after, marker=marker, ms=8, color=colour, clip_on=False)
