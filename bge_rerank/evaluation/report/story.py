"""What each report says, in words and in its order: a report only marks it up."""

from __future__ import annotations

from dataclasses import dataclass

from bge_rerank.evaluation.report.wording import (
    agreement_line,
    answer,
    cells,
    count_cells,
    counts_line,
    data_line,
    depth_rows,
    depths_line,
    gain_line,
    shortened,
    verdict_line,
)
from bge_rerank.evaluation.result import Decision, Evaluation, Loss, ModelResult

TITLE = "Does reranking help?"


@dataclass(frozen=True, slots=True)
class LossStory:
    """A query that reranking made worse.

    Attributes:
        query: What was asked.
        change: By how much its nDCG@k fell.
        passages: The first passage before and after, each with what it is.
    """

    query: str
    change: str
    passages: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ModelStory:
    """What is said about a model.

    Attributes:
        name: Its name.
        decision: Its verdict.
        verdict: The verdict with its reasons, as a sentence.
        rows: A row under `HEADINGS` for each measure; none where there are too few queries.
        counts: How many queries gained and lost, and how long one took, as a sentence.
        count_row: The same under `COUNT_HEADINGS`.
        gains: How many queries gained and lost, and the most of each, as a sentence.
        agreement: How far it agrees with the first stage, as a sentence; `None` where that is not told.
        depths: What the rows by depth are, as a sentence.
        depth_rows: A row under `DEPTH_HEADINGS` for each depth; none where there is only one.
        losses: The largest ones, the worst first.
    """

    name: str
    decision: Decision
    verdict: str
    rows: tuple[tuple[str, ...], ...]
    counts: str
    count_row: tuple[str, ...]
    gains: str
    agreement: str | None
    depths: str
    depth_rows: tuple[tuple[str, ...], ...]
    losses: tuple[LossStory, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """What is said about an evaluation; all of it is plain text, to be escaped by the report.

    Attributes:
        answer: Whether to rerank, in a line.
        data: What was measured on.
        models: What is said about each.
        notes: What to know when reading the figures, each a sentence.
    """

    answer: str
    data: str
    models: tuple[ModelStory, ...]
    notes: tuple[str, ...]


def tell(evaluation: Evaluation) -> Story:
    """Put an evaluation into words."""
    return Story(
        answer=answer(evaluation),
        data=data_line(evaluation),
        models=tuple(_model(model, evaluation.k) for model in evaluation.models),
        notes=tuple(f"Note: {note}." for note in evaluation.notes),
    )


def _model(model: ModelResult, k: int) -> ModelStory:
    return ModelStory(
        name=model.name,
        decision=model.verdict.decision,
        verdict=verdict_line(model),
        rows=tuple(map(cells, model.changes)),
        counts=counts_line(model, k),
        count_row=count_cells(model),
        gains=gain_line(model, k),
        agreement=agreement_line(model.agreement) if model.agreement else None,
        depths=depths_line(model),
        depth_rows=depth_rows(model),
        losses=tuple(map(_loss, model.worst)),
    )


def _loss(loss: Loss) -> LossStory:
    after = "nothing was kept" if loss.after is None else shortened(loss.after.text)
    return LossStory(
        query=shortened(loss.query),
        change=f"{loss.difference:+.3f}",
        passages=(("first before", shortened(loss.before.text)), ("first after", after)),
    )
