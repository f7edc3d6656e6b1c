"""A ranking in a terminal."""

import io

from rich.console import Console

from bge_rerank import Ranking


def test_square_brackets_are_not_read_as_markup(ranking: Ranking) -> None:
    console = Console(file=io.StringIO(), width=120)
    console.print(ranking)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "what <i>causes</i> [bold]tides" in shown
    assert [line.split()[0] for line in shown.splitlines() if "0." in line] == ["│"] * 3
    assert ranking.texts[1] in shown


def test_an_empty_ranking_can_be_shown() -> None:
    Console(file=io.StringIO()).print(Ranking([], "q", []))
