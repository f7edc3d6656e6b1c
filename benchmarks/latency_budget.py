"""Measure whether latency budgets are kept, with requests of 100 documents of mixed length, one at a time.

Run from the root:

    python benchmarks/latency_budget.py --budgets 100 200 400
"""

from __future__ import annotations

import argparse
import random
import time
from statistics import median, quantiles

from rich.console import Console
from rich.table import Table

from bge_rerank import Reranker, load_scorer
from bge_rerank.cli.bench.workload import make_workload

WARM_UP = 10
"""The number of first calls that are not counted, because the reranker still measures its rate."""


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    add = parser.add_argument
    add("--model", default="mini", help="hub repository, folder or 'mini'")
    add("--budgets", type=float, nargs="+", default=[100, 200, 400], help="budgets in ms")
    add("--calls", type=int, default=100, help="timed calls for each budget")
    arguments = parser.parse_args()
    workload = make_workload("mixed", 500)
    draw = random.Random(0)  # noqa: S311 - the choice of documents is not a secret
    table = Table("budget ms", "p50 ms", "p95 ms", "scored of 100: median (min to max)")
    for budget in arguments.budgets:
        reranker = Reranker(load_scorer(arguments.model), latency_budget_ms=budget)
        taken: list[float] = []
        scored: list[int] = []
        for number in range(WARM_UP + arguments.calls):
            texts = draw.sample(list(workload.documents), 100)
            started = time.perf_counter()
            ranking = reranker.rerank(f"{workload.query} {number}", texts)
            taken.append(1_000 * (time.perf_counter() - started))
            scored.append(len(texts) - len(ranking.unscored))
        milliseconds, counts = taken[WARM_UP:], scored[WARM_UP:]
        p95 = quantiles(milliseconds, n=20)[-1]
        spread = f"{median(counts):.0f} ({min(counts)} to {max(counts)})"
        table.add_row(f"{budget:.0f}", f"{median(milliseconds):.0f}", f"{p95:.0f}", spread)
    Console().print(table)


if __name__ == "__main__":
    main()
