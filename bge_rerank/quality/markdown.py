"""An evaluation as a Markdown report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

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


def as_markdown(evaluation: Evaluation) -> str:
    """Return the report."""
    lines = [
        "# Does reranking help?",
        "",
        escaped(answer(evaluation)),
        "",
        data_line(evaluation),
        "",
    ]
    for model in evaluation.models:
        lines += _model(model, evaluation.k)
    lines += [f"Note: {escaped(note)}." for note in evaluation.notes]
    return "\n".join(lines).rstrip() + "\n"


def escaped(text: str) -> str:
    r"""Keep what Markdown would read as marks.

    >>> escaped("a *b* | c")
    'a \\*b\\* \\| c'
    """
    return re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", text)


def _model(model: ModelResult, k: int) -> Iterator[str]:
    yield from (f"## {escaped(model.name)}", "", f"{escaped(verdict_line(model))}", "")
    if model.changes:
        yield _row(HEADINGS)
        yield _row(["---", *["---:"] * (len(HEADINGS) - 1)])
        yield from (_row(map(escaped, cells(change))) for change in model.changes)
        yield ""
    yield from (counts_line(model, k), "")
    if model.worst:
        yield from ("The largest losses:", "")
        for loss in model.worst:
            query, *passages = map(escaped, loss_lines(loss))
            yield f"- {query}"
            yield from (f"  - {passage}" for passage in passages)
        yield ""


def _row(values: Iterable[str]) -> str:
    return f"| {' | '.join(values)} |"
