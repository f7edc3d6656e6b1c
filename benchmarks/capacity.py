"""Plan machines for four scales of load, and hold the simulation against a running server.

    python benchmarks/capacity.py measure

writes `benchmarks/capacity.json`, the times of passes on this CPU.

    python benchmarks/capacity.py plan

prints the plan from that file, and draws `docs/capacity.svg`.

    python benchmarks/capacity.py compare

sends a load to a real server, and simulates the same load.

Run from the root, with the extras capacity, server, http, export, bm25 and display.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import mean, median, quantiles

import httpx
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from bge_rerank import load_scorer
from bge_rerank.cli import main as command
from bge_rerank.cli.capacity.measure import Requests, measure_rates
from bge_rerank.cli.capacity.plan import breaks_at, fewest_machines, measure, p99
from bge_rerank.cli.capacity.rates import Rates
from bge_rerank.cli.capacity.simulation import WARM_UP, Load, simulate
from bge_rerank.data.demo import demo_collection
from bge_rerank.server.options import PassOptions
from serving import free_port, running

HERE = Path(__file__).parent
FILE = HERE / "capacity.json"
GPU_FILE = HERE / "v2-m3-geometry-cuda.json"
PICTURE = HERE.parent / "docs" / "capacity.svg"
DAY, PEAK, LIMIT_MS = 86_400, 2.0, 500.0
SCALES = (1e3, 1e5, 1e7, 1e9)
"""Queries a day."""
GPU_SECONDS = {1: (0.018, 0.0206), 2: (0.028, 0.030)}
"""An H100 with a model of v2-m3's size, from docs/benchmarks.md. There 20 pairs take 12 to 15 ms, and 100 pairs 28 to
30 ms. One request, 50 pairs, is on the line between the two."""
MEASURED = {
    "bfloat16": [],
    "bfloat16, BM25 keeps 20": ["--prefilter", "bm25", "--keep", "20"],
    "int8": ["--backend", "openvino", "--dtype", "int8"],
    "int8, BM25 keeps 20": [
        *("--backend", "openvino", "--dtype", "int8", "--prefilter", "bm25", "--keep", "20")
    ],
}
"""The flags of `bge-rerank capacity` for each row."""
SEEDS = 400
"""The simulations of a short run, whose spread shows the chance in the real one."""


@dataclass(frozen=True)
class Variant:
    """A row of the plan: measured times, and the share of requests that a cache answers."""

    rates: Rates
    hits: float = 0.0


@dataclass(frozen=True)
class Run:
    """The figures of a run of the server or of the simulation: milliseconds, and the busy share of time."""

    p50_ms: float
    p99_ms: float
    busy: float


def measure_all() -> None:
    """Measure each variant by the command, and write the file."""
    import contextlib
    import io

    measured = {}
    for name, flags in MEASURED.items():
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            command(["capacity", "--model", "mini", "--qps", "0.01", "--json", *flags])
        measured[name] = json.loads(out.getvalue())["rates"]
    FILE.write_text(json.dumps(measured, indent=1) + "\n")


def variants() -> dict[str, Variant]:
    """Return the rows of the plan, from the files."""
    rates = {}
    for name, fields in json.loads(FILE.read_text()).items():
        seconds = {int(number): tuple(times) for number, times in fields["seconds"].items()}
        rates[name] = Rates(**fields | {"seconds": seconds})
    rows = {f"mini {name}": Variant(each) for name, each in rates.items()}
    best = rates["int8, BM25 keeps 20"]
    rows["mini int8, BM25 keeps 20, cache answers 30 %"] = Variant(best, 0.3)
    gpu = gpu_rates()
    rows["v2-m3's size, float16, H100"] = Variant(gpu)
    return rows


def gpu_rates() -> Rates:
    """Return the times of a GPU: the measured ones of 1,000 pairs, and those of the page on benchmarks."""
    contents = json.loads(GPU_FILE.read_text())
    [workload] = contents["workloads"]
    [row] = [each for each in workload["rows"] if each["name"] == "bge-rerank torch float16"]
    seconds = {**GPU_SECONDS, workload["depth"] // 50: tuple(row["seconds"])}
    return Rates("v2-m3's size (torch float16)", contents["machine"]["gpu"], 50, seconds)


def plan(console: Console) -> None:
    """Print the fewest machines for each scale, and draw latency by load."""
    table = Table("", "breaks at requests/s", *(f"{scale:,.0f} a day" for scale in SCALES))
    rows = variants()
    for name, row in rows.items():
        cells = []
        for scale in SCALES:
            load = Load(PEAK * scale / DAY, hits=row.hits)
            point = fewest_machines(row.rates, load, LIMIT_MS)
            cells.append("impossible" if point is None else _cell(point.machines, point.p99_ms))
        table.add_row(name, f"{breaks_at(row.rates, row.hits):.2f}", *cells)
    console.print(table)
    draw(rows)


def _cell(machines: int, latency: object) -> str:
    return f"{machines:,} ({getattr(latency, 'mean', 0):.0f} ms)"


def draw(rows: dict[str, Variant]) -> None:
    """Draw the p99 of one machine by its load, up to where the queue breaks."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, row in rows.items():
        most = breaks_at(row.rates, row.hits)
        loads = [most * share for share in (0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)]
        points = [measure(row.rates, Load(load, hits=row.hits)) for load in loads]
        (line,) = axes.plot(loads, [point.p99_ms.mean for point in points], label=name)
        low = [point.p99_ms.low for point in points]
        high = [point.p99_ms.high for point in points]
        axes.fill_between(loads, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
        axes.axvline(most, color=line.get_color(), linestyle=":", linewidth=1)
    axes.axhline(LIMIT_MS, color="black", linewidth=1)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="requests a second of one machine (dotted: the queue breaks)",
        ylabel="p99 (ms)",
    )
    axes.legend(fontsize="small", loc="lower left")
    figure.savefig(PICTURE, metadata={"Date": None})


async def ask(url: str, requests: Sequence[tuple[float, dict[str, object]]]) -> list[float]:
    """Send each request at its time, in seconds from now, and return the seconds of each.

    A latency counts from the planned time, so that a late client does not hide waiting.
    """
    async with httpx.AsyncClient(timeout=120, limits=httpx.Limits(max_connections=None)) as http:
        started = time.perf_counter()

        async def one(due: float, body: dict[str, object]) -> float:
            await asyncio.sleep(started + due - time.perf_counter())
            (await http.post(f"{url}/rerank", json=body)).raise_for_status()
            return time.perf_counter() - started - due

        return await asyncio.gather(*(one(*request) for request in requests))


def arrivals(rate: float, requests: int, seed: int = 0) -> Iterator[float]:
    """Yield the times of a Poisson process, in seconds."""
    draw, now = Random(seed), 0.0  # noqa: S311 - a load, no secrets
    for _ in range(requests):
        now += draw.expovariate(rate)
        yield now


def real_run(rate: float, requests: int, depth: int) -> Run:
    """Start `bge-rerank serve` with `mini`, and send it requests at random times."""
    drawn, port = _requests(depth), free_port()
    bodies = [_body(drawn) for _ in range(requests + 8)]
    serve = [sys.executable, "-m", "bge_rerank.cli", "serve", "--model", "mini"]
    with running([*serve, "--port", str(port)], port) as url:
        asyncio.run(ask(url, [(0.0, body) for body in bodies[:8]]))  # warm
        before, started = _computed(url), time.perf_counter()
        due = list(arrivals(rate, requests))
        latencies = asyncio.run(ask(url, list(zip(due, bodies[8:], strict=True))))
        busy = (_computed(url) - before) / (time.perf_counter() - started)
    kept = latencies[int(WARM_UP * requests) :]
    return Run(1e3 * median(kept), 1e3 * p99(kept), busy)


def _computed(url: str) -> float:
    """Return the seconds that a server spent in passes so far."""
    text = httpx.get(f"{url}/metrics").raise_for_status().text
    found = re.search(r"^te_request_inference_duration_sum (\S+)", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def _requests(depth: int) -> Requests:
    collection = demo_collection()
    passages = [passage.text for passage in collection.passages]
    return Requests(list(collection.questions.values()), passages, depth)


def _body(requests: Requests) -> dict[str, object]:
    pairs = requests.pairs(1)
    return {"query": pairs[0][0], "texts": [text for _, text in pairs]}


def mini_rates(depth: int) -> Rates:
    """Measure `mini` in this process, as the server would pass requests to it."""
    collection = demo_collection()
    return measure_rates(
        load_scorer("mini").loaded(),
        list(collection.questions.values()),
        [passage.text for passage in collection.passages],
        depth,
        PassOptions(),
        model="mini",
        machine="this machine",
    )


def simulated_runs(rates: Rates, rate: float, requests: int) -> list[Run]:
    """Simulate as many requests as the real run had, with many seeds."""
    runs = [simulate(rates, Load(rate), seed, requests) for seed in range(SEEDS)]
    return [Run(1e3 * median(r.latencies), 1e3 * p99(r.latencies), r.busy) for r in runs]


def compare(console: Console, depth: int, load: float, requests: int) -> None:
    """Print a real run and its simulation, with rates measured before and after the real run."""
    before = mini_rates(depth)
    rate = load * breaks_at(before)
    console.print(f"{rate:.2f} requests/s, {load:.0%} of the load at which the queue breaks")
    real = real_run(rate, requests, depth)
    after = mini_rates(depth)
    table = Table("", "p50 ms", "p99 ms", "busy")
    table.add_row("real", f"{real.p50_ms:.0f}", f"{real.p99_ms:.0f}", f"{real.busy:.0%}")
    for name, rates in (("before", before), ("after", after)):
        runs = simulated_runs(rates, rate, requests)
        cells = (
            _spread([run.p50_ms for run in runs], "{:.0f}"),
            _spread([run.p99_ms for run in runs], "{:.0f}"),
            _spread([run.busy for run in runs], "{:.0%}"),
        )
        seconds = {number: f"{1e3 * mean(each):.0f} ms" for number, each in rates.seconds.items()}
        table.add_row(f"simulated, rates {name}: {seconds}", *cells)
    console.print(table)


def _spread(values: Sequence[float], form: str) -> str:
    cuts = quantiles(values, n=40)
    return f"{form.format(mean(values))} ({form.format(cuts[0])} to {form.format(cuts[-1])})"


def main() -> None:
    """Measure, plan or compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("what", choices=["measure", "plan", "compare"])
    parser.add_argument("--depth", type=int, default=10, help="passages of a compared request")
    parser.add_argument("--load", type=float, default=0.6, help="share of the breaking load")
    parser.add_argument("--requests", type=int, default=250, help="requests of the real run")
    arguments = parser.parse_args()
    console = Console(width=160)
    if arguments.what == "measure":
        measure_all()
    elif arguments.what == "plan":
        plan(console)
    else:
        compare(console, arguments.depth, arguments.load, arguments.requests)


if __name__ == "__main__":
    main()
