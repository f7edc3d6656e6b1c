"""Show the benchmark's results: tables for the terminal, and pictures for a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

from matplotlib.figure import Figure
from rich.markup import escape
from rich.table import Table

from bge_rerank.cli.bench.figures import Figures
from bge_rerank.cli.bench.measurement import Grown, Measurement

LONGEST_REASON = 80
"""The maximum number of characters of a failure in the table. The JSON has the whole text."""
OURS, PEER = "#1f77b4", "#b0b0b0"
"""The colours of the bars."""
INCHES_A_ROW = 0.28
DOTS_PER_INCH = 200

_HEADINGS = (
    "pairs/s",
    "slowest to\nfastest",
    "speed ÷\nFlag-\nReranker",
    "speed ÷\nbest other\npackage",
    "% of\nmatmul\nrate",
    "memory\n(MB)",
    "above\nweights\n(MB)",
    "first\nanswer\n(s)",
    "largest\nlogit\ndifference",
    "rank\ncorre-\nlation",
)

_NOTES = """\
pairs/s: the median of the rounds. Speed ÷: pairs/s, divided by those of FlagReranker or of the fastest other package.
% of matmul rate: the model's operations per second, in % of this machine's rate of matrix products (below).
Memory: the peak of the process. Above weights: the peak during calls, minus the memory before the first call.
First answer: the seconds from the import to the first answer.
Largest logit difference, rank correlation (Kendall's tau): against FlagReranker, or our torch float32 without it.
"""
"""The explanation of the columns, under each table."""


def comparison_table(title: str, rows: Sequence[Figures]) -> Table:
    """Return the table of one workload, with one line for each contender. A line without figures says why."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("", overflow="fold")
    for heading in _HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        if row.failure:
            table.add_row(
                f"{escape(row.name)} [dim]({escape(shorten(row.failure, LONGEST_REASON))})[/]",
                *["-"] * len(_HEADINGS),
            )
        else:
            table.add_row(_name(row), *_cells(row))
    return table


def footnote(measurement: Measurement) -> str:
    """Return the explanation of the columns, the machine's rates, and the time outside the model."""
    rates = ", ".join(f"{rate / 1e9:,.0f} {name}" for name, rate in measurement.matmul.items())
    parts = ", ".join(f"{name} {1e3 * value:.1f} ms" for name, value in measurement.outside.items())
    share = measurement.outside_share()
    lines = [
        f"Rate of matrix products on this machine, in GFLOP/s: {rates}.",
        f"Workload: {measurement.tokens:,} tokens, {measurement.flops / 1e9:,.0f} GFLOP without padding.",
        f"Time outside the model in a call through LangChain: {parts}."
        + ("" if share is None else f" Together: {100 * share:.1f} % of our fastest call."),
    ]
    return _NOTES + "\n".join(lines) + "\n"


def growth_table(title: str, rows: Sequence[Grown]) -> Table:
    """Return the table of seconds and memory by the number of pairs."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("")
    for heading in ("pairs", "seconds", "pairs/s", "memory above weights (MB)"):
        table.add_column(heading, justify="right")
    for row in rows:
        if row.failure:
            table.add_row(
                f"{row.name} [dim]({escape(row.failure)})[/]", f"{row.pairs:,}", "-", "-", "-"
            )
        else:
            rate = row.pairs / row.seconds
            above = _megabytes(row.above_weights_bytes)
            table.add_row(row.name, f"{row.pairs:,}", f"{row.seconds:.2f}", f"{rate:.1f}", above)
    return table


def draw_comparison(title: str, workloads: Mapping[str, Sequence[Figures]], path: Path) -> None:
    """Draw the pairs per second of the measured contenders, one panel per workload.

    Whiskers show the slowest and the fastest call. Contenders that failed stand in the table only.
    """
    measured = {
        name: [row for row in rows if row.rate is not None] for name, rows in workloads.items()
    }
    rows = max(map(len, measured.values()))
    figure = Figure(figsize=(10, len(workloads) * (rows * INCHES_A_ROW + 1)), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(len(workloads), squeeze=False)[:, 0]
    for panel, (name, figures) in zip(panels, measured.items(), strict=True):
        _draw_bars(panel, figures)
        panel.set(title=name, xlabel="pairs per second (line: slowest to fastest call)")
    figure.savefig(path, dpi=DOTS_PER_INCH)


def draw_growth(title: str, rows: Sequence[Grown], path: Path) -> None:
    """Draw seconds and memory above the weights by the number of pairs, with one line for each contender."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    figure.suptitle(title)
    seconds, above = figure.subplots(1, 2)
    measured = [row for row in rows if not row.failure]
    for name in dict.fromkeys(row.name for row in measured):
        line = [row for row in measured if row.name == name]
        pairs = [row.pairs for row in line]
        seconds.plot(pairs, [row.seconds for row in line], marker="o", label=name)
        above.plot(pairs, [row.above_weights_bytes / 1e6 for row in line], marker="o", label=name)
    seconds.set(xscale="log", yscale="log", xlabel="pairs", ylabel="seconds")
    above.set(xscale="log", ylim=(0, None), xlabel="pairs", ylabel="memory above weights (MB)")
    seconds.legend(fontsize="small")
    figure.savefig(path, dpi=DOTS_PER_INCH)


def _name(row: Figures) -> str:
    name = escape(f"{row.name} ({row.batch_size})" if row.batch_size else row.name)
    return f"[bold]{name}[/]" if row.is_ours else name


def _cells(row: Figures) -> tuple[str, ...]:
    return (
        _number(row.rate, ".1f"),
        f"{_number(row.slowest, '.1f')} to {_number(row.fastest, '.1f')}",
        _number(row.to_reference, ".2f"),
        _number(row.to_fastest_peer, ".2f"),
        _number(row.matmul_share and 100 * row.matmul_share, ".0f"),
        _megabytes(row.peak_bytes),
        _megabytes(row.above_weights_bytes),
        _number(row.cold_start, ".1f"),
        _number(row.difference, ".1g"),
        _number(row.tau, ".4f"),
    )


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _megabytes(size: int | None) -> str:
    return "-" if size is None else f"{size / 1e6:,.0f}"


def _draw_bars(panel: Any, figures: Sequence[Figures]) -> None:
    for place, row in enumerate(figures):
        if row.rate and row.slowest and row.fastest:  # for type checkers: each row was measured
            whiskers = [[row.rate - row.slowest], [row.fastest - row.rate]]
            panel.barh(place, row.rate, xerr=whiskers, color=OURS if row.is_ours else PEER)
            panel.text(row.fastest, place, f" {row.rate:.1f}", va="center", fontsize="small")
    panel.set_yticks(range(len(figures)), [row.name for row in figures], fontsize="small")
    panel.invert_yaxis()
    panel.margins(x=0.1)
