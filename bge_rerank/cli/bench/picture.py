"""The benchmark's pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from bge_rerank.cli.bench.growth import Grown
from bge_rerank.cli.bench.summary import Figures

OURS, PEER = "#1f77b4", "#b0b0b0"
INCHES_A_ROW = 0.28


def draw_comparison(title: str, workloads: Mapping[str, Sequence[Figures]], path: Path) -> None:
    """Draw pairs a second of all contenders, a panel a workload; whiskers from slowest to fastest."""
    rows = max(map(len, workloads.values()))
    figure = Figure(figsize=(10, len(workloads) * (rows * INCHES_A_ROW + 1)), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(len(workloads), squeeze=False)[:, 0]
    for panel, (name, figures) in zip(panels, workloads.items(), strict=True):
        _draw_bars(panel, figures)
        panel.set(title=name, xlabel="pairs a second")
    figure.savefig(path, dpi=120)


def draw_growth(title: str, rows: Sequence[Grown], path: Path) -> None:
    """Draw seconds and memory above the weights over the number of pairs, a line a contender."""
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
    above.set(xscale="log", ylim=(0, None), xlabel="pairs", ylabel="MB above the weights")
    seconds.legend(fontsize="small")
    figure.savefig(path, dpi=120)


def _draw_bars(panel: Any, figures: Sequence[Figures]) -> None:
    for place, row in enumerate(figures):
        if row.rate and row.slowest and row.fastest:
            whiskers = [[row.rate - row.slowest], [row.fastest - row.rate]]
            panel.barh(place, row.rate, xerr=whiskers, color=OURS if row.is_ours else PEER)
            panel.text(row.fastest, place, f" {row.rate:.1f}", va="center", fontsize="small")
        else:
            reason = (row.failure or "").partition(":")[0]
            panel.text(0, place, f" {reason}", va="center", fontsize="small", color="gray")
    panel.set_yticks(range(len(figures)), [row.name for row in figures], fontsize="small")
    panel.invert_yaxis()
    panel.margins(x=0.1)
