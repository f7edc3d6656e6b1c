"""The progress bar of an export, for the command and for exports on first use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from bge_rerank.export.run import steps_of
from bge_rerank.models.manifest import Precision


@contextmanager
def progress_of(model_name: str, precision: Precision) -> Iterator[Callable[[str], None]]:
    """Show a bar on a terminal, and yield a function for `on_step` of `export_model`."""
    steps = steps_of(precision)
    calls = dict.fromkeys(steps, 0)
    with tqdm(
        total=len(steps),
        desc=f"exporting {model_name}",
        bar_format="{desc} |{bar}| {n}/{total} [{elapsed}]{postfix}",
        disable=None,  # outside a terminal
        leave=False,
    ) as bar:

        def on_step(name: str) -> None:
            sample = f", sample {calls[name]}" if calls[name] else ""
            calls[name] += 1
            bar.set_postfix_str(name + sample, refresh=False)
            bar.update(steps.index(name) - bar.n)
            bar.refresh()

        yield on_step
