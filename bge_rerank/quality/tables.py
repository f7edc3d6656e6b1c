"""An evaluation in the terminal: a table, and a verdict for each model."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bge_rerank.quality.result import Evaluation, ModelResult
from bge_rerank.quality.wording import (
    HEADINGS,
    answer,
    cells,
    counts_line,
    data_line,
    loss_lines,
    verdict_line,
)


def print_evaluation(evaluation: Evaluation, console: Console) -> None:
    """Print what was found."""
    console.print(data_line(evaluation))
    if any(model.changes for model in evaluation.models):
        console.print(changes_table(evaluation))
    for model in evaluation.models:
        _print_model(model, evaluation.k, console)
    for note in evaluation.notes:
        console.print(escape(f"Note: {note}."))
    console.print(f"\n[bold]{escape(answer(evaluation))}[/]")


def changes_table(evaluation: Evaluation) -> Table:
    """Show the measures before and after, a section for each model."""
    table = Table()
    table.add_column("model")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == "" else "right", no_wrap=True)
    for model in evaluation.models:
        names = [escape(model.name), *[""] * (len(model.changes) - 1)]
        for name, change in zip(names, model.changes, strict=True):
            table.add_row(name, *cells(change), end_section=change is model.changes[-1])
    return table


def _print_model(model: ModelResult, k: int, console: Console) -> None:
    console.print(f"\n[bold]{escape(model.name)}[/]: {escape(verdict_line(model))}")
    console.print(counts_line(model, k))
    for loss in model.worst:
        query, *passages = loss_lines(loss)
        console.print(f"  lost: {escape(query)}")
        for passage in passages:
            console.print(f"    [dim]{escape(passage)}[/]")
