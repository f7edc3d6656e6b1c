"""The benchmark's tables."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import shorten

from rich.markup import escape
from rich.table import Table

from bge_rerank.cli.bench.growth import Grown
from bge_rerank.cli.bench.measurement import Measurement
from bge_rerank.cli.bench.summary import Figures

LONGEST_REASON = 80
"""Characters of why a row was not measured; the JSON has them all."""

_HEADINGS = (
    "pairs/s",
    "min to max",
    "x FlagReranker",
    "x fastest peer",
    "of matmul",
    "peak MB",
    "above weights",
    "start s",
    "max diff",
    "tau",
)


def comparison(title: str, rows: Sequence[Figures]) -> Table:
    """Show one workload: a line a contender; one that was not measured says why."""
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
    """Say what the table's figures are measured against."""
    rates = ", ".join(f"{rate / 1e9:,.0f} {name}" for name, rate in measurement.matmul.items())
    parts = ", ".join(f"{1e3 * value:.1f} ms {name}" for name, value in measurement.outside.items())
    share = measurement.outside_share()
    lines = [
        f"{measurement.tokens:,} tokens, {measurement.flops / 1e9:,.0f} GFLOP without padding.",
        f"Matrix products on this machine, in GFLOP/s: {rates}.",
        f"Outside the forward pass, through LangChain: {parts}"
        + ("." if share is None else f"; {share:.1%} of our fastest call."),
        "min to max: of all rounds; max diff: of a logit from the reference's; tau: of its order.",
    ]
    return "\n".join(lines) + "\n"


def growth(title: str, rows: Sequence[Grown]) -> Table:
    """Show how seconds and memory grow with the number of pairs."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("")
    for heading in ("pairs", "seconds", "pairs/s", "MB above weights"):
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


def _name(row: Figures) -> str:
    name = escape(f"{row.name} ({row.batch_size})" if row.batch_size else row.name)
    return f"[bold]{name}[/]" if row.is_ours else name


def _cells(row: Figures) -> tuple[str, ...]:
    return (
        _number(row.rate, ".1f"),
        f"{_number(row.slowest, '.1f')} to {_number(row.fastest, '.1f')}",
        _number(row.to_reference, ".2f"),
        _number(row.to_fastest_peer, ".2f"),
        _number(row.matmul_share, ".0%"),
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
