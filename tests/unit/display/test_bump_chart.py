"""A ranking as a picture: a line for each text, whatever the texts hold."""

import io

from bge_rerank import Ranked, Ranking


def test_the_bump_chart_has_a_line_for_each_text_and_a_dot_for_those_left_out(
    ranking: Ranking,
) -> None:
    two = Ranking([Ranked(2, 0.9, 2.2), Ranked(0, 0.4, -0.4)], "q", ranking.texts)
    figure = two.bump_chart()
    [axes] = figure.axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[3, 1], [1, 2]]
    assert axes.collections[0].get_offsets().tolist() == [[0.0, 2.0]]
    assert [text.get_text() for text in axes.texts] == ["A tide table.", "Bread rises."]
    figure.savefig(io.BytesIO(), format="svg")


def test_a_picture_can_be_drawn_of_texts_with_dollars() -> None:
    ranking = Ranking([Ranked(0, 0.9, 2.2)], "$ $", ["$x_$ and $y^$"])
    ranking.bump_chart().savefig(io.BytesIO(), format="svg")


def test_an_empty_ranking_can_be_drawn() -> None:
    Ranking([], "q", []).bump_chart().savefig(io.BytesIO(), format="svg")
