"""The benchmark's tables and pictures."""

from io import StringIO
from pathlib import Path

import pytest
from matplotlib import rc_context
from matplotlib.image import imread
from rich.console import Console

from bench_rows import failed_row, measured_row
from bge_rerank.cli.bench.figures import figures_of
from bge_rerank.cli.bench.measurement import Grown, Measurement
from bge_rerank.cli.bench.presentation import (
    comparison_table,
    draw_comparison,
    footnote,
    growth_table,
)
from bge_rerank.cli.bench.rows import Row


def measurement(*rows: Row) -> Measurement:
    return Measurement(
        length="mixed",
        depth=4,
        tokens=1_000,
        flops=5_000_000_000,
        matmul={"float32": 2e9},
        outside={"adapter": 0.01, "tokenise": 0.02, "batch": 0.03},
        rows=tuple(figures_of(rows, 5_000_000_000, {"float32": 2e9})),
    )


def printed(shown: object) -> str:
    written = StringIO()
    Console(width=170, file=written).print(shown)
    return written.getvalue()


def test_the_table_shows_ratios_and_the_reasons_of_failed_rows() -> None:
    broken = failed_row("[odd] name", "failed: no reason")
    found = measurement(
        measured_row("ours", [1.0], ours=True), measured_row("FlagReranker", [8.0]), broken
    )
    text = printed(comparison_table("mini", found.rows))
    ours, reference, failed = (
        next(line for line in text.splitlines() if name in line)
        for name in ("ours", "FlagReranker  ", "[odd] name")
    )
    assert "4.0" in ours
    assert "8.00" in ours
    assert "0.5" in reference
    assert "best other" in text
    assert "failed: no reason" in failed


def test_the_footnote_explains_columns_and_shows_the_time_outside_the_model() -> None:
    found = measurement(
        measured_row("ours", [0.99], ours=True), measured_row("FlagReranker", [8.0])
    )
    assert found.outside_share() == pytest.approx(0.06)
    note = footnote(found)
    assert "pairs/s: the median of the rounds." in note
    assert "1,000 tokens, 5 GFLOP without padding." in note
    assert "2 float32" in note
    assert "adapter 10.0 ms, tokenise 20.0 ms, batch 30.0 ms." in note
    assert "Together: 6.0 % of our fastest call." in note


def test_growth_shows_rates_and_reasons() -> None:
    text = printed(
        growth_table(
            "mini", [Grown("ours", 1_000, 4.0, 50_000_000), Grown("ours", 10, failure="why")]
        )
    )
    measured, failed = (
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in text.splitlines()
        if "ours" in line
    )
    assert measured == ["ours", "1,000", "4.00", "250.0", "50"]
    assert failed == ["ours (why)", "10", "-", "-", "-"]


def drawn(path: Path, *rows: Row) -> tuple[int, str]:
    """Draw a picture. Return its height in pixels, and its text, from an SVG of the same rows."""
    panels = {"4 mixed passages": measurement(*rows).rows}
    draw_comparison("mini", panels, path.with_suffix(".png"))
    with rc_context({"svg.fonttype": "none"}):
        draw_comparison("mini", panels, path.with_suffix(".svg"))
    return len(imread(path.with_suffix(".png"))), path.with_suffix(".svg").read_text()


def test_the_picture_leaves_out_contenders_that_were_not_measured(tmp_path: Path) -> None:
    ours = measured_row("ours", [1.0], ours=True)
    missing = failed_row("missing", "not installed: nothing")
    height, text = drawn(tmp_path / "both", ours, missing)
    assert "ours" in text
    assert "4 mixed passages" in text
    assert "missing" not in text
    assert "not installed" not in text
    assert height == drawn(tmp_path / "one", ours)[0]
    assert height == int(1.28 * 200)
