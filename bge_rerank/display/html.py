"""A ranking as an HTML table, with score bars, moves and marked windows. No script, no style sheet."""

from __future__ import annotations

from html import escape

from bge_rerank.display.shown_text import ShownRanking, moved, shown_text, tiers_line
from bge_rerank.types import Ranked

LEFT = "text-align:left;vertical-align:top"
BAR = "display:block;height:0.5em;background:currentColor;opacity:0.6"
"""A score bar, in the colour of the text so that it is visible on light and dark backgrounds."""
QUIET = "display:block;opacity:0.7"
HEADS = ("Rank", "Moved", "Score", "Text")


def ranking_html(ranking: ShownRanking) -> str:
    """Return an HTML table with one row per text, best first. All texts in it are escaped.

    >>> from bge_rerank import Ranked, Ranking
    >>> "a &lt;b&gt;" in ranking_html(Ranking([Ranked(0, 0.5, 0.0)], "q", ["a <b>"]))
    True
    """
    heads = "".join(f'<th scope="col" style="{LEFT}">{head}</th>' for head in HEADS)
    rows = "".join(
        _row(rank, ranked, ranking.texts[ranked.index]) for rank, ranked in enumerate(ranking, 1)
    )
    caption = escape(f"{len(ranking)} of {len(ranking.texts)} texts for “{ranking.query}”")
    tiers = f'<small style="{QUIET}">{escape(tiers_line(ranking))}</small>' if ranking.tiers else ""
    return (
        f'<table><caption style="{LEFT}">{caption}{tiers}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(rank: int, ranked: Ranked, text: str) -> str:
    bar = f'<span style="{BAR};width:{ranked.score:.1%}"></span>'
    cells = (
        str(rank),
        f'<span title="position {ranked.index + 1} in the input">{moved(ranked.index, rank)}</span>',
        f'<span title="logit {ranked.logit:.3f}">{ranked.score:.4f}</span>{bar}',
        _text(ranked, text),
    )
    widths = ("", "", ";min-width:6em", "")
    styled = zip(cells, widths, strict=True)
    row = "".join(f'<td style="{LEFT}{width}">{cell}</td>' for cell, width in styled)
    return f"<tr>{row}</tr>"


def _text(ranked: Ranked, text: str) -> str:
    shown = shown_text(text, ranked.span)
    marked = f"<mark>{escape(shown.marked)}</mark>" if shown.marked else ""
    return f"{escape(shown.before)}{marked}{escape(shown.behind)}"
