"""The sentences and rows of all reports, in order; each report adds its own markup."""

from __future__ import annotations

from dataclasses import dataclass

from bge_rerank.evaluation.report import wording
from bge_rerank.evaluation.result import Evaluation, Loss, ModelResult

TITLE = "Does reranking help?"
MEASURED = "How this was measured"


@dataclass(frozen=True, slots=True)
class LossStory:
    """A query that reranking made worse, the change of its nDCG@k, and its first passages.

    `passages` are the first passage before and the first passage after, each with a label.
    """

    query: str
    change: str
    passages: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ModelStory:
    """Sentences and table rows about a model.

    Attributes:
        rows: A row under `HEADINGS` for each measure; empty with too few queries.
        counts: How many queries got better and worse, and the latency.
        count_row: The same under `COUNT_HEADINGS`.
        gains: How many queries got better and worse, and the largest change of each.
        agreement: The agreement with the first stage; `None` with too few queries.
        depths: The meaning of `depth_rows`.
        depth_rows: A row under `DEPTH_HEADINGS` for each depth; empty if there is only one.
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
    """Sentences about an evaluation and its models: plain text, which a report must escape.

    Attributes:
        runs: For each run, rows of a name and a value.
        settings: Rows of a name and a value.
    """

    answer: str
    data: str
    models: tuple[ModelStory, ...]
    notes: tuple[str, ...]
    runs: tuple[tuple[tuple[str, str], ...], ...]
    settings: tuple[tuple[str, str], ...]


def tell(evaluation: Evaluation) -> Story:
    """Put an evaluation into words."""
    return Story(
        answer=wording.answer(evaluation),
        data=wording.data_line(evaluation),
        models=tuple(_model(model, evaluation.k) for model in evaluation.models),
        notes=tuple(f"Note: {note}." for note in evaluation.notes),
        runs=tuple(map(wording.run_rows, evaluation.runs)),
        settings=tuple(wording.settings_rows(evaluation.settings).items()),
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
        passages=(
            ("first passage before", wording.shortened(loss.before.text)),
            ("first passage after", after),
        ),
    )
