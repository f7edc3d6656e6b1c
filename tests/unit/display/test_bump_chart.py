"""A bump chart has a line for each text, whatever the texts contain."""

import io

from bge_rerank import Ranked, Ranking


def test_a_bump_chart_has_a_line_for_each_text_and_a_dot_for_each_omitted_one(
    ranking: Ranking,
) -> None:
    two = Ranking([Ranked(2, 0.9, 2.2), Ranked(0, 0.4, -0.4)], "q", ranking.texts)
    figure = two.bump_chart()
    [axes] = figure.axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[3, 1], [1, 2]]
    assert axes.collections[0].get_offsets().tolist() == [[0.0, 2.0]]
    assert [text.get_text() for text in axes.texts] == ["A tide table.", "Bread rises."]
    figure.savefig(io.BytesIO(), format="svg")


def test_texts_with_dollar_signs_can_be_drawn() -> None:
    ranking = Ranking([Ranked(0, 0.9, 2.2)], "$ $", ["$x_$ and $y^$"])
    ranking.bump_chart().savefig(io.BytesIO(), format="svg")


def test_an_empty_ranking_can_be_drawn() -> None:
    Ranking([], "q", []).bump_chart().savefig(io.BytesIO(), format="svg")
