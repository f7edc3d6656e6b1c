"""The plot of what each query gained: its wins above, its losses below."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, groupby

from markupsafe import Markup
from matplotlib.axes import Axes

from bge_rerank.evaluation.report.inline_svg import inline_svg
from bge_rerank.evaluation.report.palette import light

SIZE = (4.4, 2.5)
DIGITS = 3
"""Of a difference that is drawn: more could not be seen, and would make a picture of 100,000 queries
large."""


def gain_plot(differences: Sequence[float], name: str, limit: float, measure: str) -> Markup:
    """Draw the differences from the largest to the smallest.

    Args:
        differences: After minus before, a value a query.
        name: Of the picture.
        limit: How far the axis reaches up and down, so that pictures can be compared.
        measure: What was measured.

    Returns:
        SVG; its size does not grow with the queries.
    """
    return inline_svg(lambda axes: _draw(axes, differences, limit, measure), name, SIZE)


def _draw(axes: Axes, differences: Sequence[float], limit: float, measure: str) -> None:
    values, edges = steps(differences)
    wins = [max(value, 0.0) for value in values]
    losses = [min(value, 0.0) for value in values]
    axes.stairs(wins, edges, fill=True, color=light("up"))
    axes.stairs(losses, edges, fill=True, color=light("down"))
    axes.axhline(0, color=light("soft"), linewidth=0.8)
    axes.set(xlim=(0, len(differences)), ylim=(-limit, limit))
    axes.set(xlabel="queries, the largest gain first", ylabel=f"change of {measure}")


def steps(differences: Sequence[float]) -> tuple[list[float], list[int]]:
    """Sort differences, and gather those that look alike.

    Returns:
        The values, from the largest, and the edges between them: how many differences there are up
        to each, one more than there are values.

    >>> steps([-0.5, 0.0, 0.25, 0.0])
    ([0.25, 0.0, -0.5], [0, 1, 3, 4])
    """
    ordered = sorted((round(difference, DIGITS) for difference in differences), reverse=True)
    runs = [(value, len(list(run))) for value, run in groupby(ordered)]
    return [value for value, _ in runs], [0, *accumulate(count for _, count in runs)]
