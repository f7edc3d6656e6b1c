"""The table of a plan, and what would help if no number of machines does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from bge_rerank.cli.capacity.options import PlanOptions
from bge_rerank.cli.capacity.plan import MOST_LOAD, Estimate, Point, breaks_at
from bge_rerank.cli.capacity.rates import Rates

DAY = 86_400
FITS = 0.7
"""The share of the limit that a lone request may take, so that there is time left to wait."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer for one load.

    Attributes:
        qps: The requests a second, as the mean of the day.
        point: The fewest machines, at the peak. `None` if no number of machines keeps the limit.
    """

    qps: float
    point: Point | None

    def as_json(self) -> dict[str, Any]:
        """Return the plan for JSON."""
        point = self.point
        if point is None:
            return {"qps": self.qps, "machines": None}
        figures = {name: getattr(point, name) for name in ("p50_ms", "p99_ms", "busy")}
        shown = {name: [each.mean, each.low, each.high] for name, each in figures.items()}
        return {"qps": self.qps, "peak_qps": point.rate, "machines": point.machines, **shown}


def plan_table(rates: Rates, options: PlanOptions, plans: Sequence[Plan]) -> Table:
    """Return the table of a plan: one line for each load."""
    title = f"{rates.model}, {rates.depth} passages a request, p99 <= {options.p99_ms:g} ms"
    table = Table(title=title, title_justify="left", title_style="bold")
    for heading in (
        "queries\na day",
        "requests/s,\nmean",
        "requests/s,\npeak",
        "machines",
        "p50 ms",
        "p99 ms\n(95 % interval)",
        "busy at\nthe peak",
    ):
        table.add_column(heading, justify="right")
    for plan in plans:
        start = (f"{plan.qps * DAY:,.0f}", f"{plan.qps:,.6g}", f"{plan.qps * options.peak:,.6g}")
        table.add_row(*start, *_cells(plan.point))
    return table


def _cells(point: Point | None) -> tuple[str, ...]:
    if point is None:
        return "impossible", "-", "-", "-"
    p99 = point.p99_ms
    shown = f"{p99.mean:,.0f} ({p99.low:,.0f} to {p99.high:,.0f})"
    return f"{point.machines:,}", f"{point.p50_ms.mean:,.0f}", shown, f"{point.busy.mean:.0%}"


def footnote(rates: Rates, options: PlanOptions, lone: Estimate) -> str:
    """Return what was measured, and what to change if a lone request is too slow.

    Args:
        rates: The measured rates.
        options: The options of the plan.
        lone: The p99 of a request that meets no other one, in milliseconds.
    """
    broken = breaks_at(rates, options.cache_hits)
    samples = ", ".join(f"{number}: {len(times)}" for number, times in rates.seconds.items())
    mean = 1e3 * (rates.before + rates.alone)
    lines = [
        f"Machine: {rates.machine}. Passes measured, by their number of requests: {samples}.",
        f"One request alone takes {mean:,.0f} ms on average, {lone.mean:,.0f} ms at the 99th percentile.",
        f"The queue of one machine grows without end from {broken:,.3g} requests/s on.",
        f"A plan loads no machine beyond {MOST_LOAD:.0%} of that.",
    ]
    if lone.high > options.p99_ms:
        lines += _remedies(rates, options)
    return "\n".join(lines)


def _remedies(rates: Rates, options: PlanOptions) -> list[str]:
    milliseconds = 1e3 * max(rates.seconds[1])
    fit = int(rates.depth * FITS * options.p99_ms / milliseconds)
    lines = ["A request alone is slower than the limit, so more machines do not help. Instead:"]
    if fit:
        lines += [
            f"- rerank fewer passages: about {fit} fit (--depth {fit})",
            f"- let BM25 choose them: --prefilter bm25 --keep {fit}",
        ]
    if "int8" not in rates.model:
        lines.append("- on a CPU, compute in int8: --backend openvino --dtype int8")
    return [*lines, "- a smaller model, shorter passages (--max-length), or a GPU (--device cuda)"]
