"""A progress bar of scored pairs on standard error, which is removed at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bge_rerank.extras import needs_extra


@contextmanager
def pair_progress(pairs: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar during the block, and yield a function to call with the number scored.

    Raises:
        MissingDependencyError: `rich` is not installed.
    """
    with needs_extra("calibrate", "calibrating"):
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )
    columns = (
        TextColumn("Pairs scored"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    if not console.is_terminal:
        # The bar would leave an empty line; with rich before 14.3, even a disabled one.
        yield lambda _: None
        return
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=pairs)
        yield lambda scored: bar.advance(task, scored)
