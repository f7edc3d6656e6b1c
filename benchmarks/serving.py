"""Our server beside the one of the tutorials, under the same load: requests a second and latencies.

The tutorials put `FlagReranker.compute_score` behind a FastAPI route. Both servers run `mini` on all
cores, one at a time, in alternating order. Run from the root, with the extras http, server and flag:

    python benchmarks/serving.py
    python benchmarks/serving.py --ours "--model mini-int8"     # an exported folder
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median, quantiles

import httpx
from rich.console import Console
from rich.table import Table

import bge_rerank_mini
from bge_rerank.bench.workload import make_workload

TUTORIAL = """
import uvicorn
from fastapi import FastAPI
from FlagEmbedding import FlagReranker
from pydantic import BaseModel

class Request(BaseModel):
    query: str
    documents: list[str]
    top_n: int = 3

app = FastAPI()
reranker = FlagReranker({model!r}, use_fp16=True, devices="cpu")

@app.get("/health")
def health():
    return "ok"

@app.post("/rerank")
def rerank(request: Request):
    scores = reranker.compute_score([[request.query, text] for text in request.documents], normalize=True)
    ranked = sorted(zip(scores, request.documents), reverse=True)
    return [{{"score": float(score), "document": text}} for score, text in ranked[:request.top_n]]

uvicorn.run(app, port={port}, log_level="warning")
"""
"""As tutorials print it."""


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def running(command: Sequence[str], port: int) -> Iterator[str]:
    """Yield the URL of a server that is ready, and end it with the block."""
    # The command is made of this file's own words and of what its caller typed.
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                httpx.get(f"{url}/health").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait()


async def load(url: str, clients: int, documents: int, seconds: float) -> tuple[float, list[float]]:
    """Return requests a second and the latency of each, of clients that ask again when answered."""
    workload = make_workload("short", 200)
    latencies: list[float] = []
    until = time.perf_counter() + seconds

    async def client(number: int, http: httpx.AsyncClient) -> None:
        place = number
        while time.perf_counter() < until:
            place += 7
            texts = [workload.documents[(place + i) % 200] for i in range(documents)]
            body = {"query": f"{workload.query} {number}", "documents": texts, "top_n": documents}
            started = time.perf_counter()
            answer = await http.post(f"{url}/rerank", json=body)
            answer.raise_for_status()
            if len(answer.json()) != documents:
                message = f"{len(answer.json())} of {documents} documents came back"
                raise RuntimeError(message)
            latencies.append(time.perf_counter() - started)

    async with httpx.AsyncClient(timeout=120) as http:
        started = time.perf_counter()
        await asyncio.gather(*(client(number, http) for number in range(clients)))
        return len(latencies) / (time.perf_counter() - started), latencies


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--ours", default="--model mini", help="arguments of bge-rerank serve")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--documents", type=int, default=5, help="of a request")
    parser.add_argument("--seconds", type=float, default=15, help="of a round")
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    model = str(bge_rerank_mini.path())
    serve = [sys.executable, "-m", "bge_rerank.cli", "serve", *shlex.split(arguments.ours)]
    servers = {
        "tutorial": lambda port: [sys.executable, "-c", TUTORIAL.format(model=model, port=port)],
        "bge-rerank serve": lambda port: [*serve, "--port", str(port)],
        "bge-rerank serve, sharing off": lambda port: [
            *serve,
            "--wait-ms",
            "0",
            "--port",
            str(port),
        ],
    }
    rates: dict[str, list[float]] = {name: [] for name in servers}
    latencies: dict[str, list[float]] = {name: [] for name in servers}
    os.environ["HF_HUB_OFFLINE"] = "1"
    for round_number in range(arguments.rounds):
        names = list(servers)[:: 1 if round_number % 2 == 0 else -1]
        for name in names:
            port = free_port()
            with running(servers[name](port), port) as url:
                size = (arguments.clients, arguments.documents)
                asyncio.run(load(url, *size, seconds=3))
                rate, taken = asyncio.run(load(url, *size, arguments.seconds))
            rates[name].append(rate)
            latencies[name] += taken
    table = Table("", "requests/s", "p50 ms", "p99 ms")
    for name in servers:
        p99 = quantiles(latencies[name], n=100)[-1]
        taken = [f"{1_000 * seconds:.0f}" for seconds in (median(latencies[name]), p99)]
        spread = f"{median(rates[name]):.1f} ({min(rates[name]):.1f} to {max(rates[name]):.1f})"
        table.add_row(name, spread, *taken)
    Console().print(table)


if __name__ == "__main__":
    main()
