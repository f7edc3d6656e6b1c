"""The plot of gains: all queries in order, in a picture of bounded size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bge_rerank.evaluation.report.plots import gain_plot, steps


@given(st.lists(st.floats(-1, 1)))
def test_the_steps_keep_all_queries_in_descending_order(differences: list[float]) -> None:
    values, edges = steps(differences)
    assert edges[0] == 0
    assert edges[-1] == len(differences)
    assert values == sorted(set(values), reverse=True)
    counts = [edges[place + 1] - edges[place] for place in range(len(values))]
    drawn = [value for value, count in zip(values, counts, strict=True) for _ in range(count)]
    assert drawn == pytest.approx(sorted(differences, reverse=True), abs=0.0005001)


def test_the_size_of_a_picture_does_not_grow_with_the_queries() -> None:
    def length(queries: int) -> int:
        differences = [((7919 * number) % 20_011) / 10_005.5 - 1 for number in range(queries)]
        return len(gain_plot(differences, "gain", 1.0, "nDCG@10"))

    assert length(100_000) < 1.1 * length(20_000) < 250_000
