"""An evaluation as a Markdown report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from bge_rerank.evaluation.report.story import TITLE, ModelStory, tell
from bge_rerank.evaluation.report.wording import DEPTH_HEADINGS, HEADINGS
from bge_rerank.evaluation.result import Evaluation


def as_markdown(evaluation: Evaluation) -> str:
    """Return the report."""
    story = tell(evaluation)
    lines = [f"# {TITLE}", "", escaped(story.answer), "", story.data, ""]
    for model in story.models:
        lines += _model(model)
    lines += map(escaped, story.notes)
    return "\n".join(lines).rstrip() + "\n"


def escaped(text: str) -> str:
    r"""Keep what Markdown would read as marks.

    >>> escaped("a *b* | c")
    'a \\*b\\* \\| c'
    """
    return re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", text)


def _model(model: ModelStory) -> Iterator[str]:
    yield from (f"## {escaped(model.name)}", "", escaped(model.verdict), "")
    if model.rows:
        yield from _table(HEADINGS, model.rows)
    if model.depth_rows:
        yield from (escaped(model.depths), "", *_table(DEPTH_HEADINGS, model.depth_rows))
    yield from (model.counts, "")
    if model.agreement:
        yield from (model.agreement, "")
    if model.losses:
        yield from ("The largest losses:", "")
        for loss in model.losses:
            yield f"- {escaped(loss.query)} ({loss.change})"
            yield from (f"  - {what}: {escaped(passage)}" for what, passage in loss.passages)
        yield ""


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield _row(headings)
    yield _row(["---", *["---:"] * (len(headings) - 1)])
    yield from (_row(map(escaped, row)) for row in rows)
    yield ""


def _row(values: Iterable[str]) -> str:
    return f"| {' | '.join(values)} |"
