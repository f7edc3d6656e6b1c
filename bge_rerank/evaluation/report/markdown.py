"""The Markdown report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from bge_rerank.evaluation.report.story import MEASURED, TITLE, ModelStory, Story, tell
from bge_rerank.evaluation.report.wording import DEPTH_HEADINGS, HEADINGS
from bge_rerank.evaluation.result import Evaluation


def as_markdown(evaluation: Evaluation) -> str:
    """Return the report."""
    story = tell(evaluation)
    lines = [f"# {TITLE}", "", escaped(story.answer), "", story.data, ""]
    for model in story.models:
        lines += _model(model)
    for note in story.notes:
        lines += [escaped(note), ""]
    lines += _measured(story)
    return "\n".join(lines).rstrip() + "\n"


def escaped(text: str) -> str:
    r"""Return a text whose characters Markdown does not read as markup.

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
        yield from ("Largest losses:", "")
        for loss in model.losses:
            yield f"- {escaped(loss.query)} ({loss.change})"
            yield from (f"  - {what}: {escaped(passage)}" for what, passage in loss.passages)
        yield ""


def _measured(story: Story) -> Iterator[str]:
    yield from (f"## {MEASURED}", "")
    for run in story.runs:
        yield from (f"- {name}: {escaped(value)}" for name, value in run)
        yield ""
    yield from _table(("setting", "value"), story.settings)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield _row(headings)
    yield _row(["---", *["---:"] * (len(headings) - 1)])
    yield from (_row(map(escaped, row)) for row in rows)
    yield ""


def _row(values: Iterable[str]) -> str:
    return f"| {' | '.join(values)} |"
