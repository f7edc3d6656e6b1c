"""A progress bar on standard error, which disappears at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def progress(steps: int) -> Iterator[Callable[[str], None]]:
    """Show a bar during the block. Call the yielded function with a name before each step."""
    columns = (
        MofNCompleteColumn(),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    # One refresh per second, so that drawing does not slow the timed calls.
    with Progress(
        *columns, console=Console(stderr=True), transient=True, refresh_per_second=1
    ) as bar:
        task = bar.add_task("", total=steps)
        yield lambda name: bar.update(task, description=name, advance=1)
