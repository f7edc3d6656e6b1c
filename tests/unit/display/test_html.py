"""A ranking as HTML: its cells, and texts that never become markup."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from bge_rerank import Ranked, Ranking


class Cells(HTMLParser):
    """The text of each cell, and the tags, as a browser reads them."""

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


def test_html_shows_rank_move_score_and_text(ranking: Ranking) -> None:
    cells = Cells(ranking._repr_html_()).cells
    assert cells[:5] == [
        "3 of 3 texts for “what <i>causes</i> [bold]tides”",
        *("Rank", "Moved", "Score", "Text"),
    ]
    assert cells[5:9] == ["1", "▲ 1", "0.9000", ranking.texts[1]]
    assert cells[13:] == ["3", "▼ 2", "0.0000", ranking.texts[0]]


def test_html_marks_the_window_that_gave_the_score(ranking: Ranking) -> None:
    assert "A <mark>tide</mark> table." in ranking._repr_html_()


@given(st.text(), st.text(min_size=1))
def test_no_text_becomes_markup(query: str, text: str) -> None:
    plain = Cells(Ranking([Ranked(0, 0.5, 0.0)], "q", ["text"])._repr_html_())
    odd = Cells(Ranking([Ranked(0, 0.5, 0.0)], query, [text])._repr_html_())
    assert odd.tags == plain.tags
    assert odd.open == []


def test_an_empty_ranking_can_be_shown() -> None:
    assert Cells(Ranking([], "q", [])._repr_html_()).cells[0] == "0 of 0 texts for “q”"
