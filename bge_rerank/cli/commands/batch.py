"""`bge-rerank batch IN... OUT`: rerank JSONL or Parquet files of any size into a folder."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from bge_rerank.batch.job import ERRORS
from bge_rerank.batch.run import PART_PAIRS, BatchProgress, BatchResult, run_batch
from bge_rerank.cli.commands.flags import add_flags, given
from bge_rerank.cli.commands.messages import tell
from bge_rerank.display.shown_text import for_terminal
from bge_rerank.errors import InvalidInputError
from bge_rerank.extras import needs_extra
from bge_rerank.models.config import ModelOptions
from bge_rerank.ranking.options import RankOptions
from bge_rerank.ranking.reranker import Reranker

SECONDS_OF_RATE = 600.0
"""The time from which the time left is estimated. A pass of a slow model takes minutes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add(
        "inputs",
        metavar="IN",
        nargs="+",
        help="JSONL or Parquet files, or quoted patterns such as 'data/*.parquet'. Each row has 'id', "
        "'query' and 'candidates': strings, or records with 'id' and 'passage'.",
    )
    add(
        "output",
        metavar="OUT",
        type=Path,
        help="The folder to write: new, empty, or that of the same batch, which is then continued.",
    )
    add(
        "--part-pairs",
        type=int,
        default=PART_PAIRS,
        metavar="N",
        help="The pairs of an output file. After an interruption, one output file is scored again "
        "(default: %(default)s)",
    )
    add_flags(parser, ModelOptions, RankOptions, without=("latency_budget_ms",), top_n=None)


def run(arguments: argparse.Namespace) -> None:
    """Rerank the rows that are not done yet, and say what the folder holds.

    Raises:
        RerankError: As `run_batch` does; or no row could be scored.
    """
    reranker = Reranker(**given(arguments, ModelOptions, RankOptions))
    with batch_progress() as progress:
        result = run_batch(
            reranker,
            arguments.inputs,
            arguments.output,
            part_pairs=arguments.part_pairs,
            progress=progress,
        )
    _report(result, arguments.output)


def _report(result: BatchResult, output: Path) -> None:
    errors = output / ERRORS
    if result.failures and not result.rows:
        raise InvalidInputError(
            f"no row could be scored; the reasons of all {result.failures:,} are in {str(errors)!r}"
        )
    if result.failures:
        tell(f"warning: {result.failures:,} rows could not be scored; see {str(errors)!r}", {})
    continued = f", {result.continued:,} of them in earlier runs" if result.continued else ""
    print(
        f"wrote {result.rows:,} rows with {result.pairs:,} pairs{continued}, in {len(result.parts):,} "
        f"parts: {for_terminal(str(output))}"
    )


@contextmanager
def batch_progress() -> Iterator[Callable[[BatchProgress], None]]:
    """Show a progress bar on standard error during the block, and yield a function that moves it on.

    Outside a terminal, nothing is shown.

    Raises:
        MissingDependencyError: `rich` is not installed.
    """
    with needs_extra("batch", "the progress bar"):
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.percentage:>5.1f} %"),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    if not console.is_terminal:
        # The bar would leave an empty line; with rich before 14.3, even a disabled one.
        yield lambda _: None
        return
    with Progress(
        *columns, console=console, transient=True, speed_estimate_period=SECONDS_OF_RATE
    ) as bar:
        task = bar.add_task("loading the model", total=1.0, start=False)
        started: list[tuple[float, int]] = []

        def move(progress: BatchProgress) -> None:
            if not started:  # what earlier runs did says nothing about the rate of this one
                started.append((perf_counter(), progress.pairs))
                bar.start_task(task)
            bar.update(
                task, completed=progress.share, description=_described(progress, *started[0])
            )

        yield move


def _described(progress: BatchProgress, started: float, pairs: int) -> str:
    rate = (progress.pairs - pairs) / max(perf_counter() - started, 1e-9)
    failures = f", {progress.failures:,} failed" if progress.failures else ""
    return f"{progress.rows:,} rows{failures}, {rate:,.0f} pairs/s"
