"""From timed calls to figures: ratios, shares, and how far scores are from the reference's."""

import math
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Literal

import pytest
from rich.console import Console

from bge_rerank.cli.bench.agreement import kendall, largest_difference, logits_of
from bge_rerank.cli.bench.contenders import Contender
from bge_rerank.cli.bench.growth import Grown
from bge_rerank.cli.bench.measurement import Measurement
from bge_rerank.cli.bench.rows import Row
from bge_rerank.cli.bench.subject import Peak, Run
from bge_rerank.cli.bench.summary import Figures, summarise
from bge_rerank.cli.bench.tables import comparison, footnote, growth

SCORES = [2.0, 0.0, -1.0, 1.0]


def build(_folder: Path, _max_length: int, _device: str) -> Callable[..., list[float]]:
    raise AssertionError("no row of these tests is started")


def row(
    name: str,
    seconds: list[float],
    scores: list[list[float]] | None = None,
    *,
    ours: bool = False,
    scale: Literal["logit", "sigmoid"] | None = "logit",
) -> Row:
    contender = Contender(name, build, "float32", scale=scale, is_ours=ours)
    runs = [
        Run(taken, given)
        for taken, given in zip(seconds, scores or [SCORES] * len(seconds), strict=True)
    ]
    return Row(contender, cold_starts=[2.0], runs=runs, peaks=[Peak(300, 100), Peak(200, 150)])


def figures(*rows: Row, flops: int = 0) -> dict[str, Figures]:
    return {row.name: row for row in summarise(rows, flops, {"float32": 10.0})}


def test_a_rate_is_of_the_median_call_and_the_spread_of_all() -> None:
    found = figures(row("FlagReranker", [4.0, 1.0, 2.0]))["FlagReranker"]
    assert (found.rate, found.slowest, found.fastest) == (2.0, 1.0, 4.0)
    assert found.seconds == (4.0, 1.0, 2.0)


def test_ratios_are_to_the_reference_and_to_the_fastest_other_package() -> None:
    found = figures(
        row("ours", [1.0], ours=True), row("FlagReranker", [8.0]), row("CrossEncoder", [4.0])
    )
    assert (found["ours"].to_reference, found["ours"].to_fastest_peer) == (8.0, 4.0)
    assert (found["FlagReranker"].to_reference, found["FlagReranker"].to_fastest_peer) == (1.0, 0.5)


def test_the_share_is_of_the_rate_of_the_same_precision() -> None:
    assert figures(row("FlagReranker", [4.0]), flops=20)["FlagReranker"].matmul_share == 0.5


def test_the_largest_difference_is_of_any_call_and_not_of_the_last_alone() -> None:
    wrong = [2.0, 0.0, -1.0, 4.0]
    found = figures(
        row("FlagReranker", [1.0]), row("ours", [1.0, 1.0, 1.0], [SCORES, wrong, SCORES], ours=True)
    )["ours"]
    assert found.difference == 3.0
    assert found.tau == pytest.approx(2 / 3)


def test_sigmoids_are_compared_as_logits() -> None:
    sigmoids = [1 / (1 + math.exp(-score)) for score in SCORES]
    found = figures(row("FlagReranker", [1.0]), row("peer", [1.0], [sigmoids], scale="sigmoid"))
    assert found["peer"].difference == pytest.approx(0, abs=1e-12)


def test_without_the_reference_there_is_no_ratio_to_it() -> None:
    found = figures(row("ours", [1.0], ours=True))["ours"]
    assert (found.to_reference, found.to_fastest_peer) == (None, None)
    assert (found.difference, found.tau) == (None, None)


def test_memory_is_the_most_of_all_turns() -> None:
    found = figures(row("FlagReranker", [1.0]))["FlagReranker"]
    assert (found.peak_bytes, found.above_weights_bytes) == (300, 150)


def test_a_row_that_failed_has_its_reason_and_spoils_no_ratio() -> None:
    broken = Row(Contender("broken", build, "float32"), failure="not installed: nothing")
    found = figures(row("ours", [1.0], ours=True), row("FlagReranker", [8.0]), broken)
    assert found["broken"] == Figures(
        "broken", is_ours=False, precision="float32", failure="not installed: nothing"
    )
    assert found["ours"].to_fastest_peer == 8.0


def test_equal_scores_have_no_order() -> None:
    assert kendall([1.0, 1.0], [1.0, 2.0]) is None


def test_a_sigmoid_at_either_end_is_a_logit_past_all_others() -> None:
    assert logits_of([0.0, 0.5, 1.0], "sigmoid") == [-30.0, 0.0, 30.0]
    assert largest_difference([1.0, 2.0], [1.5, 2.0]) == 0.5


def measurement(*rows: Row) -> Measurement:
    return Measurement(
        length="mixed",
        depth=4,
        tokens=1_000,
        flops=5_000_000_000,
        matmul={"float32": 2e9},
        outside={"adapter": 0.01, "tokenise": 0.02, "batch": 0.03},
        rows=tuple(summarise(rows, 5_000_000_000, {"float32": 2e9})),
    )


def printed(shown: object) -> str:
    written = StringIO()
    Console(width=170, file=written).print(shown)
    return written.getvalue()


def test_the_table_names_ratios_and_why_a_row_has_none() -> None:
    broken = Row(Contender("[odd] name", build, "float32"), failure="failed: no reason")
    found = measurement(row("ours", [1.0], ours=True), row("FlagReranker", [8.0]), broken)
    text = printed(comparison("mini", found.rows))
    ours, reference, failed = (
        next(line for line in text.splitlines() if name in line)
        for name in ("ours", "FlagReranker  ", "[odd] name")
    )
    assert "4.0" in ours
    assert "8.00" in ours
    assert "0.5" in reference
    assert "failed: no reason" in failed


def test_the_footnote_says_what_is_spent_outside_the_forward_pass() -> None:
    found = measurement(row("ours", [0.99], ours=True), row("FlagReranker", [8.0]))
    assert found.outside_share() == pytest.approx(0.06)
    note = footnote(found)
    assert "1,000 tokens, 5 GFLOP without padding." in note
    assert "2 float32" in note
    assert "10.0 ms adapter, 20.0 ms tokenise, 30.0 ms batch; 6.0% of our fastest call" in note


def test_growth_shows_rates_and_reasons() -> None:
    text = printed(
        growth("mini", [Grown("ours", 1_000, 4.0, 50_000_000), Grown("ours", 10, failure="why")])
    )
    measured, failed = (
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in text.splitlines()
        if "ours" in line
    )
    assert measured == ["ours", "1,000", "4.00", "250.0", "50"]
    assert failed == ["ours (why)", "10", "-", "-", "-"]
