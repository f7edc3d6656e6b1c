"""What each report says, in words and in its order: a report only marks it up."""

from __future__ import annotations

from dataclasses import dataclass

from bge_rerank.evaluation.report import wording
from bge_rerank.evaluation.result import Evaluation, Loss, ModelResult

TITLE = "Does reranking help?"


@dataclass(frozen=True, slots=True)
class LossStory:
    """A query that reranking made worse, the change of its nDCG@k, and its first passages.

    `passages` are the first one before and the first one after, each with its name.
    """

    query: str
    change: str
    passages: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ModelStory:
    """Sentences and table rows on a model.

    Attributes:
        rows: A row under `HEADINGS` for each measure; none with too few queries.
        counts: How many queries gained and lost, and their latency.
        count_row: The same under `COUNT_HEADINGS`.
        gains: How many queries gained and lost, and the most of each.
        agreement: `None` where too few queries tell it.
        depths: The meaning of `depth_rows`.
        depth_rows: A row under `DEPTH_HEADINGS` for each depth; none where there is only one.
    """

    name: str
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
    """Sentences on an evaluation, and the story of each model: plain text that a report escapes."""

    answer: str
    data: str
    models: tuple[ModelStory, ...]
    notes: tuple[str, ...]


def tell(evaluation: Evaluation) -> Story:
    """Put an evaluation into words."""
    return Story(
        answer=wording.answer(evaluation),
        data=wording.data_line(evaluation),
        models=tuple(_model(model, evaluation.k) for model in evaluation.models),
        notes=tuple(f"Note: {note}." for note in evaluation.notes),
    )


def _model(model: ModelResult, k: int) -> ModelStory:
    return ModelStory(
        name=model.name,
        verdict=wording.verdict_line(model),
        rows=tuple(map(wording.cells, model.changes)),
        counts=wording.counts_line(model, k),
        count_row=wording.count_cells(model),
        gains=wording.gain_line(model, k),
        agreement=wording.agreement_line(model.agreement) if model.agreement else None,
        depths=wording.depths_line(model),
        depth_rows=wording.depth_rows(model),
        losses=tuple(map(_loss, model.worst)),
    )


def _loss(loss: Loss) -> LossStory:
    after = "nothing was kept" if loss.after is None else wording.shortened(loss.after.text)
    return LossStory(
        query=wording.shortened(loss.query),
        change=f"{loss.difference:+.3f}",
        passages=(("first before", wording.shortened(loss.before.text)), ("first after", after)),
    )
