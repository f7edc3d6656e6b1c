"""Measure the latency that client and server add, compared with scoring in the same process.

The scorer returns lengths, which takes almost no time. It runs in this process and in two servers, and calls
alternate. Run from the root, with the extras http and server:

    python benchmarks/serving_overhead.py
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median, quantiles

from rich.console import Console
from rich.table import Table

from bge_rerank import Reranker, load_scorer
from bge_rerank.cli.bench.workload import make_workload
from serving import free_port, running

WORDS = 200
SERVER = """
import sys

import uvicorn

sys.path.insert(0, "benchmarks")

from bge_rerank.server.app import create_app
from bge_rerank.server.options import ServerOptions
from serving_overhead import Lengths

app = create_app(Lengths(), ServerOptions(model_name="lengths", wait_ms=float(sys.argv[2])))
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
"""


class Lengths:
    """A scorer that takes almost no time."""

    def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
        """Return the lengths of the passages."""
        return [len(passage) / 1_000 for _, passage in pairs]


def texts_of(words: int, count: int) -> list[str]:
    """Return `count` different texts of `words` words."""
    running = " ".join(make_workload("long", 200).documents).split()
    return [" ".join(running[place * 100 : place * 100 + words]) for place in range(count)]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--documents", type=int, default=50, help="documents of a call")
    parser.add_argument("--rounds", type=int, default=300, help="calls of each kind")
    arguments = parser.parse_args()
    texts = texts_of(WORDS, arguments.documents)
    rerankers = {"in this process": Reranker(Lengths(), top_n=None)}
    seconds: dict[str, list[float]] = {}
    with ExitStack() as servers:
        for wait_ms in (0, 1):
            port = free_port()
            command = [sys.executable, "-c", SERVER, str(port), str(wait_ms)]
            url = servers.enter_context(running(command, port))
            name = f"by a server with --wait-ms {wait_ms}"
            rerankers[name] = Reranker(load_scorer("lengths", "tei", base_url=url), top_n=None)
        for round_number in range(arguments.rounds):
            for name, reranker in rerankers.items():
                started = time.perf_counter()
                reranker.rerank(f"query {round_number}", texts)
                seconds.setdefault(name, []).append(time.perf_counter() - started)
    table = Table(f"{arguments.documents} documents of {WORDS} words", "p50 ms", "p99 ms")
    for name, taken in seconds.items():
        p50, p99 = median(taken), quantiles(taken, n=100)[-1]
        table.add_row(name, f"{1_000 * p50:.2f}", f"{1_000 * p99:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
