"""The tables of the demo: how ranks moved for a question, and quality with and without reranking."""

from __future__ import annotations

from collections.abc import Mapping

from rich.markup import escape
from rich.table import Table

from bge_rerank.data.labelled import LabelledCollection
from bge_rerank.display.shown_text import for_terminal

ScoredIds = Mapping[str, float | None]
"""Passage id to `rerank_score`, best first; from the first stage, each score is `None`."""

GRADES = {2: "answers", 1: "helps", 0: "does not help", None: "not judged"}


def ranks_table(
    collection: LabelledCollection,
    question: str,
    before: ScoredIds,
    langchain: ScoredIds,
    llamaindex: ScoredIds,
    *,
    top_n: int,
) -> Table:
    """Return a table of the first passages before and after reranking, with their ranks."""
    titles = {passage.id: passage.title for passage in collection.passages}
    ranks = {passage: rank for rank, passage in enumerate(before, 1)}
    table = Table(
        title=f"'{_shown(collection.questions[question])}'",
        title_justify="left",
        title_style="bold",
    )
    for heading in ("after", "before", "moved"):
        table.add_column(heading, justify="right")
    for heading in ("passage", "judged", "LangChain", "LlamaIndex"):
        table.add_column(heading)
    for rank, passage in enumerate(langchain, 1):
        if rank <= top_n or ranks[passage] <= top_n:
            table.add_row(
                str(rank) if rank <= top_n else f"[dim]{rank}[/]",
                str(ranks[passage]),
                _moved(ranks[passage] - rank),
                _shown(titles[passage]),
                GRADES[collection.judgements[question].get(passage)],
                f"{langchain[passage]:.4f}",
                f"{llamaindex[passage]:.4f}" if passage in llamaindex else "-",
                end_section=rank == top_n,
            )
    return table


def quality_table(rows: Mapping[str, tuple[Mapping[str, float], float]], title: str) -> Table:
    """Return a table of the measures (0..1) and the seconds for all questions, by pipeline."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("")
    for heading in ("nDCG@10", "MRR@10", "seconds"):
        table.add_column(heading, justify="right")
    for name, (metrics, seconds) in rows.items():
        table.add_row(name, *(f"{value:.3f}" for value in metrics.values()), f"{seconds:.1f}")
    return table


def _shown(text: str) -> str:
    return escape(for_terminal(text))


def _moved(places: int) -> str:
    if places == 0:
        return "="
    return f"[green]▲ {places}[/]" if places > 0 else f"[red]▼ {-places}[/]"
