"""The report in the terminal: a table, and a verdict for each model."""

from __future__ import annotations

from rich import markup
from rich.console import Console
from rich.table import Table

from bge_rerank.display.shown_text import for_terminal
from bge_rerank.evaluation.report.story import MEASURED, ModelStory, Story, tell
from bge_rerank.evaluation.report.wording import DEPTH_HEADINGS, HEADINGS
from bge_rerank.evaluation.result import Evaluation


def escape(text: str) -> str:
    """Return a text that a terminal only shows and that rich does not read as markup."""
    return markup.escape(for_terminal(text))


def print_evaluation(evaluation: Evaluation, console: Console) -> None:
    """Print the report; the answer comes last."""
    story = tell(evaluation)
    console.print(escape(story.data))
    if any(model.rows for model in story.models):
        console.print(_rows(story))
    for model in story.models:
        _print_model(model, console)
    for note in story.notes:
        console.print(escape(note))
    if story.runs:
        console.print(f"\n[bold]{MEASURED}[/]")
    for run in story.runs:
        for name, value in run:
            console.print(f"  {escape(name)}: {escape(value)}")
    console.print(f"\n[bold]{escape(story.answer)}[/]")


def _rows(story: Story) -> Table:
    """Return a table of the measures before and after, with a section for each model."""
    table = Table()
    table.add_column("model")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == "" else "right", no_wrap=True)
    for model in story.models:
        names = [escape(model.name), *[""] * (len(model.rows) - 1)]
        for name, row in zip(names, model.rows, strict=True):
            table.add_row(name, *row, end_section=row is model.rows[-1])
    return table


def _depth_rows(model: ModelStory) -> Table:
    """Return a table of quality and latency by depth."""
    table = Table()
    for heading in DEPTH_HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in model.depth_rows:
        table.add_row(*row, style="bold" if row[-1] else None)
    return table


def _print_model(model: ModelStory, console: Console) -> None:
    console.print(f"\n[bold]{escape(model.name)}[/]: {escape(model.verdict)}")
    console.print(escape(model.counts))
    if model.agreement:
        console.print(model.agreement)
    if model.depth_rows:
        console.print(_depth_rows(model))
        console.print(model.depths)
    for loss in model.losses:
        console.print(f"  worse: {escape(loss.query)} ({loss.change})")
        for what, passage in loss.passages:
            console.print(f"    [dim]{what}: {escape(passage)}[/]")
