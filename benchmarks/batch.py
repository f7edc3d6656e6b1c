"""Measure the rate of a batch beside that of its scorer alone, and the memory of the batch.

The pairs are questions of the demo's collection with 5 to 20 words of its passages, 20 to a row. The
scorer alone is measured before and after the batch, in one call. Run from the root:

    python benchmarks/batch.py --seconds 150
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import psutil
from rich.console import Console

from bge_rerank import Reranker, load_scorer
from bge_rerank.batch import BatchProgress, run_batch
from bge_rerank.data.demo import demo_collection
from bge_rerank.types import Pair

CANDIDATES = 20
SAMPLE = 4_000
"""The pairs of a measurement of the scorer alone."""


def rows(count: int) -> list[tuple[str, list[str]]]:
    """Return rows of random pairs."""
    collection, draw = demo_collection(), Random(7)  # noqa: S311 - not for cryptography
    questions = list(collection.questions.values())
    words = " ".join(passage.text for passage in collection.passages).split()

    def passage() -> str:
        length = draw.randint(5, 20)
        start = draw.randrange(len(words) - length)
        return " ".join(words[start : start + length])

    return [(draw.choice(questions), [passage() for _ in range(CANDIDATES)]) for _ in range(count)]


def rate_alone(model: str) -> float:
    """Return the pairs a second of the scorer, called once with all pairs."""
    scorer = load_scorer(model)
    asked: list[Pair] = [
        (query, passage) for query, passages in rows(SAMPLE // CANDIDATES) for passage in passages
    ]
    scorer.score(asked[:CANDIDATES])
    started = time.perf_counter()
    scorer.score(asked)
    return len(asked) / (time.perf_counter() - started)


def batch(model: str, source: str, output: str) -> None:
    """Run a batch, and print seconds, pairs and memory in use at the start and after each pass."""
    process, started = psutil.Process(), time.perf_counter()

    def tell(progress: BatchProgress) -> None:
        seconds = time.perf_counter() - started
        sys.stdout.write(json.dumps([seconds, progress.pairs, process.memory_info().rss]) + "\n")

    run_batch(Reranker(model, top_n=None), source, output, progress=tell)


def measure(model: str, seconds: float) -> None:
    """Measure, and print the figures."""
    before = rate_alone(model)
    with TemporaryDirectory() as folder:
        source = Path(folder, "rows.jsonl")
        with source.open("w") as file:
            for id_, (query, passages) in enumerate(rows(int(before * seconds / CANDIDATES))):
                row = {"id": id_, "query": query, "candidates": passages}
                file.write(json.dumps(row) + "\n")
        arguments = ["--model", model, "--batch", str(source), str(Path(folder, "out"))]
        done = subprocess.run(  # noqa: S603
            [sys.executable, __file__, *arguments], check=True, capture_output=True, text=True
        )
    (first, _, _), *told = [json.loads(line) for line in done.stdout.splitlines()]
    last, pairs, _ = told[-1]
    rate, after = pairs / (last - first), rate_alone(model)
    alone = (before + after) / 2
    late = min(first + 60, (first + last) / 2)
    memory = [used / 2**20 for when, _, used in told if when >= late]
    console = Console()
    console.print(f"scorer alone: {before:.1f} and {after:.1f} pairs/s")
    console.print(
        f"batch: {pairs:,} pairs, {rate:.1f} pairs/s, {rate / alone:.1%} of the scorer alone"
    )
    console.print(f"memory from the second minute on: {min(memory):,.0f} to {max(memory):,.0f} MiB")


def main() -> None:
    """Measure, or run the batch that is measured."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="mini")
    parser.add_argument("--seconds", type=float, default=150, help="the length of the batch")
    parser.add_argument("--batch", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.batch:
        batch(arguments.model, *arguments.batch)
    else:
        measure(arguments.model, arguments.seconds)


if __name__ == "__main__":
    main()
