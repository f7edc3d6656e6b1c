"""The plot of nDCG@k over how many of the first candidates are reranked."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.axes import Axes

from bge_rerank.evaluation.report.inline_svg import inline_svg
from bge_rerank.evaluation.report.palette import light
from bge_rerank.evaluation.report.series import series
from bge_rerank.evaluation.result import ModelResult

SIZE = (4.8, 3.0)
BESIDE = 1.03
"""How far apart the models' points of one depth are: a part of the depth."""


def depth_plot(models: Sequence[ModelResult]) -> Markup:
    """Draw a line a model, with intervals, and the first stage as a line across.

    Args:
        models: All models, with figures; those without `depths` are left out.

    Returns:
        SVG; nothing where no model has two `depths` to compare.
    """
    if all(len(model.depths) <= 1 for model in models):
        return Markup()
    return inline_svg(lambda axes: _draw(axes, models), "depth", SIZE)


def _draw(axes: Axes, models: Sequence[ModelResult]) -> None:
    before = models[0].changes[0].before
    axes.axhline(before, color=light("soft"), linestyle="--")
    for number, model in enumerate(models):
        aside = BESIDE ** (number - (len(models) - 1) / 2)
        _draw_model(axes, model, number, before, aside)
    ticks = sorted({point.depth for model in models for point in model.depths})
    axes.set_xscale("log")
    axes.set_xticks(ticks, [str(depth) for depth in ticks])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="candidates reranked", ylabel=models[0].changes[0].measure)


def _draw_model(axes: Axes, model: ModelResult, number: int, before: float, aside: float) -> None:
    colour, marker = series(number).colour, series(number).marker
    depths = [point.depth * aside for point in model.depths]
    lows = [before + point.low for point in model.depths]
    highs = [before + point.high for point in model.depths]
    axes.vlines(depths, lows, highs, color=colour, linewidth=1.5)
    axes.plot(depths, [point.after for point in model.depths], color=colour, marker=marker)
    for depth, point in zip(depths, model.depths, strict=True):
        if point.depth == model.recommended_depth:
            axes.plot(depth, point.after, marker="o", ms=14, fillstyle="none", color=light("ink"))
