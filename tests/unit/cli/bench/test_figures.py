"""The figures of timed calls: rates, ratios, shares, and differences from the reference."""

import math

import pytest

from bench_rows import SCORES, failed_row, measured_row
from bge_rerank.cli.bench.figures import (
    Figures,
    figures_of,
    kendall,
    largest_difference,
    logits_of,
)
from bge_rerank.cli.bench.rows import Row


def figures(*rows: Row, flops: int = 0) -> dict[str, Figures]:
    return {row.name: row for row in figures_of(rows, flops, {"float32": 10.0})}


def test_the_rate_is_that_of_the_median_call_and_the_range_covers_all_calls() -> None:
    found = figures(measured_row("FlagReranker", [4.0, 1.0, 2.0]))["FlagReranker"]
    assert (found.rate, found.slowest, found.fastest) == (2.0, 1.0, 4.0)
    assert found.seconds == (4.0, 1.0, 2.0)


def test_ratios_are_to_the_reference_and_to_the_fastest_other_package() -> None:
    found = figures(
        measured_row("ours", [1.0], ours=True),
        measured_row("FlagReranker", [8.0]),
        measured_row("CrossEncoder", [4.0]),
    )
    assert (found["ours"].to_reference, found["ours"].to_fastest_peer) == (8.0, 4.0)
    assert (found["FlagReranker"].to_reference, found["FlagReranker"].to_fastest_peer) == (1.0, 0.5)


def test_the_matmul_share_uses_the_rate_of_the_same_precision() -> None:
    assert (
        figures(measured_row("FlagReranker", [4.0]), flops=20)["FlagReranker"].matmul_share == 0.5
    )


def test_the_largest_difference_is_that_of_all_calls() -> None:
    wrong = [2.0, 0.0, -1.0, 4.0]
    found = figures(
        measured_row("FlagReranker", [1.0]),
        measured_row("ours", [1.0, 1.0, 1.0], [SCORES, wrong, SCORES], ours=True),
    )["ours"]
    assert found.difference == 3.0
    assert found.tau == pytest.approx(2 / 3)


def test_sigmoids_are_compared_as_logits() -> None:
    sigmoids = [1 / (1 + math.exp(-score)) for score in SCORES]
    found = figures(
        measured_row("FlagReranker", [1.0]),
        measured_row("peer", [1.0], [sigmoids], scale="sigmoid"),
    )
    assert found["peer"].difference == pytest.approx(0, abs=1e-12)


def test_without_the_reference_there_is_no_ratio_to_it() -> None:
    found = figures(measured_row("ours", [1.0], ours=True))["ours"]
    assert (found.to_reference, found.to_fastest_peer) == (None, None)
    assert (found.difference, found.tau) == (None, None)


def test_memory_is_the_maximum_of_all_turns() -> None:
    found = figures(measured_row("FlagReranker", [1.0]))["FlagReranker"]
    assert (found.peak_bytes, found.above_weights_bytes) == (300, 150)


def test_a_failed_row_has_its_reason_and_does_not_change_the_ratios() -> None:
    broken = failed_row("broken", "not installed: nothing")
    found = figures(
        measured_row("ours", [1.0], ours=True), measured_row("FlagReranker", [8.0]), broken
    )
    assert found["broken"] == Figures(
        "broken", is_ours=False, precision="float32", failure="not installed: nothing"
    )
    assert found["ours"].to_fastest_peer == 8.0


def test_the_correlation_of_equal_scores_is_none() -> None:
    assert kendall([1.0, 1.0], [1.0, 2.0]) is None


def test_scores_of_0_and_1_become_extreme_logits() -> None:
    assert logits_of([0.0, 0.5, 1.0], "sigmoid") == [-30.0, 0.0, 30.0]
    assert largest_difference([1.0, 2.0], [1.5, 2.0]) == 0.5
