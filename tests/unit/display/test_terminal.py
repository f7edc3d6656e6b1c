"""A ranking in a terminal: brackets stay as they are."""

import io

from rich.console import Console

from bge_rerank import Ranking


def test_a_terminal_shows_it_with_brackets_as_they_are(ranking: Ranking) -> None:
    console = Console(file=io.StringIO(), width=120)
    console.print(ranking)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "what <i>causes</i> [bold]tides" in shown
    assert [line.split()[0] for line in shown.splitlines() if "0." in line] == ["│"] * 3
    assert ranking.texts[1] in shown


def test_an_empty_ranking_shows_itself() -> None:
    Console(file=io.StringIO()).print(Ranking([], "q", []))
