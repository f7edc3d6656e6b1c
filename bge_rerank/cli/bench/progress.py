"""A progress bar on standard error, which a run leaves no trace of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def progress(steps: int) -> Iterator[Callable[[str], None]]:
    """Show a bar for the block; the function that it gives is called with a name before each step."""
    columns = (
        MofNCompleteColumn(),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    # Once a second, so that drawing takes nothing from what is measured.
    with Progress(
        *columns, console=Console(stderr=True), transient=True, refresh_per_second=1
    ) as bar:
        task = bar.add_task("", total=steps)
        yield lambda name: bar.update(task, description=name, advance=1)
