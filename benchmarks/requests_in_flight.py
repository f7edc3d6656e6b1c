"""Measure requests per second of our server by the number of requests in flight.

More requests share passes, up to a point. Beyond it they only wait longer, so another replica is needed. Run from
the root, with the extras http, server and torch:

    python benchmarks/requests_in_flight.py
"""

from __future__ import annotations

import argparse
import asyncio
import shlex
import subprocess
import sys
import time
from statistics import median
from typing import Any

import httpx
from rich.console import Console

URL = "http://127.0.0.1:8094"
PASSAGES = (
    "The Moon's gravity raises two bulges of water: the tides. " * 3,
    "Bread rises because yeast makes carbon dioxide. " * 2,
    "A tide table lists the times of high water for a harbour.",
)


def body(texts: int, number: str) -> dict[str, Any]:
    """Return a request that no other request equals."""
    passages = [f"{PASSAGES[place % 3]} {number} {place}" for place in range(texts)]
    return {"query": f"what causes tides {number}", "texts": passages}


async def measure(texts: int, clients: int, seconds: float) -> tuple[float, float]:
    """Return requests per second, and the median latency in milliseconds."""
    latencies: list[float] = []
    started = time.perf_counter()

    async def client(name: int) -> None:
        async with httpx.AsyncClient(base_url=URL, timeout=60) as session:
            number = 0
            while time.perf_counter() < started + seconds:
                sent = time.perf_counter()
                answer = await session.post("/rerank", json=body(texts, f"{name}-{number}"))
                answer.raise_for_status()
                latencies.append(time.perf_counter() - sent)
                number += 1

    await asyncio.gather(*map(client, range(clients)))
    return len(latencies) / (time.perf_counter() - started), median(latencies) * 1_000


def main() -> None:
    """Start the server, measure it, and print a table."""
    parser = argparse.ArgumentParser()
    ours = "--model mini --backend torch"
    parser.add_argument("--ours", default=ours, help="arguments of bge-rerank serve")
    parser.add_argument("--seconds", type=float, default=2.5, help="seconds of a measurement")
    arguments = parser.parse_args()
    console = Console()
    serve = "from bge_rerank.cli import main; main()"
    flags = ["serve", "--port", "8094", *shlex.split(arguments.ours)]
    with subprocess.Popen([sys.executable, "-c", serve, *flags]) as server:  # noqa: S603
        try:
            while not is_ready():
                time.sleep(0.1)
            for texts in (5, 20, 50):
                asyncio.run(measure(texts, 2, 1))
                for clients in (1, 2, 4, 8, 16, 32):
                    rate, latency = asyncio.run(measure(texts, clients, arguments.seconds))
                    console.print(
                        f"{texts} texts, {clients} in flight: {rate:.1f}/s, p50 {latency:.0f} ms"
                    )
        finally:
            server.terminate()


def is_ready() -> bool:
    """Say whether the server answers."""
    try:
        return httpx.get(f"{URL}/health").is_success
    except httpx.ConnectError:
        return False


if __name__ == "__main__":
    main()
