"""A ranking shows itself: in a notebook, in a terminal, as a picture; whatever its texts hold."""

import copy
import io
import pickle
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bge_rerank import Ranked, Ranking, Reranker
from bge_rerank.display.shown_text import CHARACTERS, shown_text
from counted_scorer import Counted

TEXTS = ["Bread rises.", "The <b>Moon</b> & [red]tides[/red] for $5 or $6", "A tide table."]


@pytest.fixture
def ranking() -> Ranking:
    ranked = [Ranked(1, 0.9, 2.2), Ranked(2, 0.4, -0.4, span=(2, 6)), Ranked(0, 0.0, -9.0)]
    return Ranking(ranked, "what <i>causes</i> [bold]tides", TEXTS)


class Cells(HTMLParser):
    """What a browser would show in each cell, and the tags that it would see."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        if tag in ("td", "th", "caption"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.cells[-1] += data


def test_reranking_gives_a_ranking_that_is_a_list(ranking: Ranking) -> None:
    got = Reranker(Counted()).rerank("q", ["a", "bb"])
    assert isinstance(got, Ranking)
    assert (got.query, got.texts) == ("q", ["a", "bb"])
    assert got == [Ranked(1, got[0].score, 2.0), Ranked(0, got[1].score, 1.0)]
    for copied in (copy.deepcopy(ranking), pickle.loads(pickle.dumps(ranking))):
        assert (copied, copied.query, copied.texts) == (ranking, ranking.query, ranking.texts)


def test_html_shows_rank_move_score_and_text(ranking: Ranking) -> None:
    cells = Cells(ranking._repr_html_()).cells
    assert cells[:5] == [
        "3 of 3 texts for “what <i>causes</i> [bold]tides”",
        *("Rank", "Moved", "Score", "Text"),
    ]
    assert cells[5:9] == ["1", "▲ 1", "0.9000", TEXTS[1]]
    assert cells[13:] == ["3", "▼ 2", "0.0000", TEXTS[0]]


def test_html_marks_the_part_that_answered(ranking: Ranking) -> None:
    assert "A <mark>tide</mark> table." in ranking._repr_html_()


@given(st.text(), st.text(min_size=1))
def test_no_text_becomes_markup(query: str, text: str) -> None:
    plain = Cells(Ranking([Ranked(0, 0.5, 0.0)], "q", ["text"])._repr_html_())
    odd = Cells(Ranking([Ranked(0, 0.5, 0.0)], query, [text])._repr_html_())
    assert odd.tags == plain.tags
    assert odd.open == []


def test_a_terminal_shows_it_with_brackets_as_they_are(ranking: Ranking) -> None:
    console = Console(file=io.StringIO(), width=120)
    console.print(ranking)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "what <i>causes</i> [bold]tides" in shown
    assert [line.split()[0] for line in shown.splitlines() if "0." in line] == ["│"] * 3
    assert TEXTS[1] in shown


def test_the_bump_chart_has_a_line_for_each_text_and_a_dot_for_those_left_out() -> None:
    ranking = Ranking([Ranked(2, 0.9, 2.2), Ranked(0, 0.4, -0.4)], "q", TEXTS)
    figure = ranking.bump_chart()
    [axes] = figure.axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[3, 1], [1, 2]]
    assert axes.collections[0].get_offsets().tolist() == [[0.0, 2.0]]
    assert [text.get_text() for text in axes.texts] == ["A tide table.", "Bread rises."]
    figure.savefig(io.BytesIO(), format="svg")


def test_a_picture_can_be_drawn_of_texts_with_dollars() -> None:
    ranking = Ranking([Ranked(0, 0.9, 2.2)], "$ $", ["$x_$ and $y^$"])
    ranking.bump_chart().savefig(io.BytesIO(), format="svg")


def test_an_empty_ranking_shows_itself() -> None:
    empty = Ranking([], "q", [])
    assert Cells(empty._repr_html_()).cells[0] == "0 of 0 texts for “q”"
    Console(file=io.StringIO()).print(empty)
    empty.bump_chart().savefig(io.BytesIO(), format="svg")


@given(st.text(max_size=2_000), st.integers(0, 2_000), st.integers(0, 2_000))
def test_what_is_shown_is_short_and_marks_the_span(text: str, one: int, other: int) -> None:
    start, end = sorted((min(one, len(text)), min(other, len(text))))
    shown = shown_text(text, (start, end))
    assert len(shown.before + shown.marked + shown.behind) <= CHARACTERS + 130
    if (start, end) != (0, len(text)) and end - start <= CHARACTERS:
        assert shown.marked == text[start:end].replace("\r", " ").replace("\n", " ")
