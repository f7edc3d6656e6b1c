"""Labelled queries from a pandas frame: a row for each passage that was found for a query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bge_rerank.data.labelled import Candidate, LabelledQuery, check_labelled, checked_grade
from bge_rerank.errors import InvalidInputError

REQUIRED = ("query", "text", "grade")


def read_frame(frame: Any) -> Iterator[LabelledQuery]:
    """Read labelled queries from a frame, one at a time, in the order in which they first stand.

    Args:
        frame: A `pandas.DataFrame`. Columns: `query`; `text` of the passage; its `grade`, a whole
            number, missing where nobody judged. Optional: `query_id`, else the query stands for
            itself; `id` of the passage, else its place among those of the query. The rows of a
            query stand in the first stage's order.

    Raises:
        InvalidInputError: A column is missing, or a row cannot be evaluated on; it names the row,
            by its index in the frame, and the column.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"query": ["q", "q"], "text": ["a", "b"], "grade": [None, 1]})
    >>> list(read_frame(frame))
    [LabelledQuery(id='q', query='q', candidates=[('0', 'a'), ('1', 'b')], relevant={'1': 1})]
    """
    missing = [name for name in REQUIRED if name not in frame.columns]
    if missing:
        raise InvalidInputError(
            f"the frame has no column {missing[0]!r}; it needs {', '.join(REQUIRED)}"
        )
    key = "query_id" if "query_id" in frame.columns else "query"
    for name in (key, "query"):
        _check_column(frame, name)
    for id_, rows in frame.groupby(key, sort=False):
        yield _labelled(_text(id_), rows)


def _check_column(frame: Any, name: str) -> None:
    """Refuse missing values, which pandas would leave out of every group."""
    for label in frame.index[frame[name].isna()][:1]:
        raise InvalidInputError(f"row {label!r}: {name!r} is missing")


def _labelled(id_: str, rows: Any) -> LabelledQuery:
    candidates: list[Candidate] = []
    relevant: dict[str, int] = {}
    records = zip(rows.index, rows.to_dict("records"), rows["grade"].notna(), strict=True)
    for label, row, judged in records:
        if not isinstance(row["text"], str):
            raise InvalidInputError(f"row {label!r}: 'text' is {row['text']!r:.80}; give a string")
        passage = _text(row.get("id", len(candidates)))
        candidates.append((passage, row["text"]))
        if judged:
            relevant[passage] = checked_grade(_whole(row["grade"]), f"row {label!r}: 'grade'")
    labelled = LabelledQuery(id_, rows["query"].iloc[0], candidates, relevant)
    return check_labelled(labelled, f"row {rows.index[0]!r}, query {id_!r:.80}")


def _text(id_: Any) -> str:
    return id_ if isinstance(id_, str) else str(id_)


def _whole(grade: Any) -> Any:
    """Return a number without a fraction as an int: pandas makes floats where a value is missing."""
    try:
        return int(grade) if grade == int(grade) else grade
    except (TypeError, ValueError, OverflowError):
        return grade
