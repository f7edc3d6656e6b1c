"""A ranking as a bump chart: a line from each text's position in the input to its rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bge_rerank.display.shown_text import ShownRanking, shortened
from bge_rerank.extras import needs_extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABEL_CHARACTERS = 40
INCHES_A_TEXT = 0.28


def bump_chart(ranking: ShownRanking) -> Figure:
    """Draw how reranking moved the texts: input order on the left, ranks on the right.

    Texts that were not kept are grey dots on the left. Darker lines have higher scores.

    Raises:
        MissingDependencyError: `matplotlib` is not installed.
    """
    with needs_extra("display", "a bump chart"):
        from matplotlib.figure import Figure
    figure = Figure(figsize=(8, 1 + INCHES_A_TEXT * len(ranking.texts)), layout="constrained")
    axes = figure.subplots()
    ranked_places = {ranked.index for ranked in ranking}
    left_out = [place + 1 for place in range(len(ranking.texts)) if place not in ranked_places]
    axes.scatter([0] * len(left_out), left_out, color="0.7", s=16)
    for rank, ranked in enumerate(ranking, 1):
        came = ranked.index + 1
        shade = 0.25 + 0.75 * ranked.score
        axes.plot([0, 1], [came, rank], marker="o", color="tab:blue", alpha=shade)
        axes.text(1.03, rank, _label(ranking.texts[ranked.index]), va="center", fontsize=8)
    axes.set_xticks([0, 1], ["input order", "reranked"])
    axes.set_xlim(-0.1, 2.2)
    axes.set_ylabel("rank")
    axes.invert_yaxis()
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.set_title(_label(ranking.query), loc="left")
    return figure


def _label(text: str) -> str:
    """Return the beginning of a text, with dollar signs escaped: matplotlib reads them as mathematics."""
    return shortened(" ".join(text.split()).replace("$", r"\$"), LABEL_CHARACTERS)
