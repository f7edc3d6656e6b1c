"""A ranking as a `rich` table, for terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bge_rerank.display.shown_text import ShownRanking, for_terminal, moved, shown_text, tiers_line
from bge_rerank.extras import needs_extra
from bge_rerank.types import Ranked

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

BAR_WIDTH = 10


def ranking_table(ranking: ShownRanking) -> Table:
    """Return a table with one row per text, best first.

    Raises:
        MissingDependencyError: `rich` is not installed.
    """
    with needs_extra("display", "a ranking in a terminal"):
        from rich.progress_bar import ProgressBar
        from rich.table import Table
    tiers = _plain(tiers_line(ranking)) if ranking.tiers else None
    table = Table(
        title=_plain(ranking.query), title_justify="left", caption=tiers, caption_justify="left"
    )
    for head in ("rank", "moved", "score"):
        table.add_column(head, no_wrap=True)
    table.add_column("", width=BAR_WIDTH)
    table.add_column("text", ratio=1)
    for rank, ranked in enumerate(ranking, 1):
        table.add_row(
            str(rank),
            moved(ranked.index, rank),
            f"{ranked.score:.4f}",
            ProgressBar(total=1.0, completed=ranked.score, width=BAR_WIDTH),
            _text(ranked, ranking.texts[ranked.index]),
        )
    return table


def _text(ranked: Ranked, text: str) -> Text:
    shown = shown_text(text, ranked.span)
    line = _plain(shown.before)
    line.append(for_terminal(shown.marked), style="reverse")
    return line.append(for_terminal(shown.behind))


def _plain(text: str) -> Text:
    """Return a text without terminal commands, whose square brackets are not read as markup."""
    from rich.text import Text

    return Text(for_terminal(text))
