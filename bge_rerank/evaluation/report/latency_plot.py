"""The plot of quality over latency: a point a model, and the first stage at 0 ms."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.axes import Axes

from bge_rerank.evaluation.report.inline_svg import inline_svg
from bge_rerank.evaluation.report.palette import light
from bge_rerank.evaluation.report.series import series
from bge_rerank.evaluation.result import ModelResult

SIZE = (4.8, 3.0)


def latency_plot(models: Sequence[ModelResult]) -> Markup:
    """Draw each model's median latency with a bar to the 95th percentile, and nDCG@k with its interval.

    Args:
        models: All models, with figures.
    """
    return inline_svg(lambda axes: _draw(axes, models), "latency", SIZE)


def _draw(axes: Axes, models: Sequence[ModelResult]) -> None:
    first = models[0].changes[0]
    axes.axhline(first.before, color=light("soft"), linestyle="--")
    axes.plot(0, first.before, marker="o", ms=8, color=light("soft"), clip_on=False)
    for number, model in enumerate(models):
        _draw_model(axes, model, number)
    axes.set_xlim(left=0)
    axes.set(xlabel="milliseconds a query", ylabel=first.measure)


def _draw_model(axes: Axes, model: ModelResult, number: int) -> None:
    colour, marker, ndcg = series(number).colour, series(number).marker, model.changes[0]
    if model.latency is None:
        return
    p50, p95 = model.latency.p50, model.latency.p95
    axes.plot([p50, p95], [ndcg.after] * 2, color=colour, marker="|", markevery=[1], ms=10)
    axes.vlines(p50, ndcg.before + ndcg.low, ndcg.before + ndcg.high, color=colour)
    axes.plot(p50, ndcg.after, marker=marker, ms=8, color=colour, clip_on=False)
