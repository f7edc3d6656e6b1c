"""Measure the rate of a batch as a share of its scorer's, and the memory of a batch.

The pairs are questions of the demo's collection with 5 to 20 words of its passages, 20 to a row. Batch and
scorer take turns on the same pairs; the scorer gets all of them in one call. Run from the root:

    python benchmarks/batch.py --rounds 4
    python benchmarks/batch.py --memory --pairs 40000
    python benchmarks/batch.py --memory --pairs 1000000 --late 600
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import psutil
from rich.console import Console

from bge_rerank import Reranker, load_scorer
from bge_rerank.batch import BatchProgress, run_batch
from bge_rerank.data.demo import demo_collection

CANDIDATES = 20
Row = tuple[str, list[str]]


def rows(count: int) -> list[Row]:
    """Return rows of random pairs."""
    collection = demo_collection()
    draw = Random(7)  # noqa: S311 - the choice of words is not a secret
    questions = list(collection.questions.values())
    words = " ".join(passage.text for passage in collection.passages).split()

    def passage() -> str:
        length = draw.randint(5, 20)
        start = draw.randrange(len(words) - length)
        return " ".join(words[start : start + length])

    return [(draw.choice(questions), [passage() for _ in range(CANDIDATES)]) for _ in range(count)]


def write(path: Path, given: list[Row]) -> None:
    """Write rows as JSONL."""
    with path.open("w") as file:
        for id_, (query, passages) in enumerate(given):
            row = {"id": id_, "query": query, "candidates": passages}
            file.write(json.dumps(row) + "\n")


def seconds(call: Callable[[], object]) -> float:
    """Return the time of a call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def measure_rate(model: str, given: list[Row], folder: Path, rounds: int, console: Console) -> None:
    """Let scorer and batch take turns, and print the rate of both."""
    write(folder / "rows.jsonl", given)
    pairs = [(query, passage) for query, passages in given for passage in passages]
    scorer = load_scorer(model)
    scorer.score(pairs[:CANDIDATES])
    reranker, alone, batch = Reranker(scorer, top_n=None), 0.0, 0.0
    for number in range(rounds):
        output = folder / str(number)
        alone += seconds(lambda: scorer.score(pairs))
        batch += seconds(lambda to=output: run_batch(reranker, folder / "rows.jsonl", to))
    both = [rounds * len(pairs) / spent for spent in (alone, batch)]
    console.print(f"scorer: {both[0]:.1f} pairs/s; batch: {both[1]:.1f} pairs/s")
    console.print(f"share: {alone / batch:.1%}")


def measure_memory(
    model: str, given: list[Row], folder: Path, late: float, console: Console
) -> None:
    """Run a batch, and print the memory in use after each pass, and its range from second `late` on, in MiB."""
    write(folder / "rows.jsonl", given)
    process, started, used = psutil.Process(), time.perf_counter(), list[float]()

    def tell(progress: BatchProgress) -> None:
        mebibytes = process.memory_info().rss / 2**20
        spent = time.perf_counter() - started
        console.print(f"{spent:.0f} s, {progress.pairs:,} pairs, {mebibytes:.0f} MiB")
        if spent >= late:
            used.append(mebibytes)

    run_batch(Reranker(model, top_n=None), folder / "rows.jsonl", folder / "out", progress=tell)
    if not used:
        console.print(
            f"The batch ended before second {late:.0f}: give more --pairs, or a lower --late."
        )
        return
    console.print(f"from second {late:.0f} on: {min(used):.0f} to {max(used):.0f} MiB")


def main() -> None:
    """Measure rate or memory."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="mini")
    parser.add_argument("--pairs", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--memory", action="store_true", help="measure memory instead of the rate")
    parser.add_argument(
        "--late", type=float, default=60.0, help="the second from which memory is compared"
    )
    arguments = parser.parse_args()
    given = rows(arguments.pairs // CANDIDATES)
    with TemporaryDirectory() as folder:
        if arguments.memory:
            measure_memory(arguments.model, given, Path(folder), arguments.late, Console())
        else:
            measure_rate(arguments.model, given, Path(folder), arguments.rounds, Console())


if __name__ == "__main__":
    main()
