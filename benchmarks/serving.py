"""Measure requests per second and latencies of our server, and of the server in tutorials, under the same load.

Tutorials put `FlagReranker.compute_score` behind a FastAPI route. A `def` route runs in threads and sometimes
fails, because two threads cannot share the tokenizer. An `async def` route serves one request at a time.
All servers run `mini` on all cores, one after another, in alternating order. Run from the root, with the
extras http, server and flag:

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
from dataclasses import dataclass, field
from statistics import median, quantiles

import httpx
from rich.console import Console
from rich.table import Table

import bge_rerank_mini
from bge_rerank.cli.bench.workload import make_workload

TUTORIAL = """
import sys

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
{route} rerank(request: Request):
    scores = reranker.compute_score([[request.query, text] for text in request.documents], normalize=True)
    ranked = sorted(zip(scores, request.documents), reverse=True)
    return [{{"score": float(score), "document": text}} for score, text in ranked[:request.top_n]]

uvicorn.run(app, port=int(sys.argv[-1]), log_level="warning")
"""
"""The server in tutorials."""


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def running(command: Sequence[str], port: int) -> Iterator[str]:
    """Start a server, yield its URL when it is ready, and end the server after the block.

    Raises:
        RuntimeError: The server ended, or was not ready within two minutes.
    """
    # The command contains only words of this file and of the command line.
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(server, f"{url}/health")
        yield url
    finally:
        server.terminate()
        server.wait()


def _wait_for(server: subprocess.Popen[bytes], url: str) -> None:
    for _ in range(600):
        try:
            httpx.get(url).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.2)
        else:
            return
        if server.poll() is not None:
            break
    message = f"the server ended, or was not ready in two minutes: {server.args!r}"
    raise RuntimeError(message)


@dataclass
class Load:
    """The measurements of clients, each of which sends its next request after an answer.

    Attributes:
        rates: Answered requests per second, for each round.
        latencies: The seconds of each answered request.
        failed: The number of requests that got an error.
    """

    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    failed: int = 0


async def ask(seen: Load, url: str, clients: int, documents: int, seconds: float) -> None:
    """Let `clients` clients send requests for `seconds` seconds, and add their measurements."""
    workload = make_workload("short", 200)
    before = len(seen.latencies)
    until = time.perf_counter() + seconds

    async def client(number: int, http: httpx.AsyncClient) -> None:
        place = number
        while time.perf_counter() < until:
            place += 7
            texts = [workload.documents[(place + i) % 200] for i in range(documents)]
            body = {"query": f"{workload.query} {number}", "documents": texts, "top_n": documents}
            started = time.perf_counter()
            answer = await http.post(f"{url}/rerank", json=body)
            if answer.is_error:
                seen.failed += 1
                continue
            if len(answer.json()) != documents:
                message = f"{len(answer.json())} of {documents} documents came back"
                raise RuntimeError(message)
            seen.latencies.append(time.perf_counter() - started)

    async with httpx.AsyncClient(timeout=120) as http:
        started = time.perf_counter()
        await asyncio.gather(*(client(number, http) for number in range(clients)))
        seen.rates.append((len(seen.latencies) - before) / (time.perf_counter() - started))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--ours", default="--model mini", help="arguments of bge-rerank serve")
    parser.add_argument("--clients", type=int, default=32, help="number of clients")
    parser.add_argument("--documents", type=int, default=5, help="documents of a request")
    parser.add_argument("--seconds", type=float, default=15, help="seconds of a round")
    parser.add_argument("--rounds", type=int, default=2, help="rounds for each server")
    arguments = parser.parse_args()
    model = str(bge_rerank_mini.path())
    serve = [sys.executable, "-m", "bge_rerank.cli", "serve", *shlex.split(arguments.ours)]
    servers = {
        **{
            f"tutorial, {route}": [sys.executable, "-c", TUTORIAL.format(model=model, route=route)]
            for route in ("def", "async def")
        },
        "bge-rerank serve": serve,
        "bge-rerank serve, sharing off": [*serve, "--wait-ms", "0"],
    }
    loads = {name: Load() for name in servers}
    os.environ["HF_HUB_OFFLINE"] = "1"
    for round_number in range(arguments.rounds):
        for name in list(servers)[:: 1 if round_number % 2 == 0 else -1]:
            port = free_port()
            with running([*servers[name], "--port", str(port)], port) as url:
                size = (url, arguments.clients, arguments.documents)
                asyncio.run(ask(Load(), *size, seconds=3))
                asyncio.run(ask(loads[name], *size, arguments.seconds))
    table = Table("server", "requests/s: median (min to max)", "p50 ms", "p99 ms", "failed")
    for name, seen in loads.items():
        p99 = quantiles(seen.latencies, n=100)[-1]
        taken = [f"{1_000 * seconds:.1f}" for seconds in (median(seen.latencies), p99)]
        rates = seen.rates
        spread = f"{median(rates):.1f} ({min(rates):.1f} to {max(rates):.1f})"
        table.add_row(name, spread, *taken, str(seen.failed))
    Console().print(table)


if __name__ == "__main__":
    main()
