"""Read labelled queries from a pandas data frame: a row for each candidate of a query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bge_rerank.data.labelled import Candidate, LabelledQuery, check_labelled, checked_grade
from bge_rerank.errors import InvalidInputError


def read_frame(frame: Any) -> Iterator[LabelledQuery]:
    """Yield the labelled queries of a data frame, in the order of their first rows.

    Args:
        frame: A `pandas.DataFrame` with the columns `query`, `passage` and `grade`. A grade is a whole
            number, and missing if nobody judged the passage. The optional column `query_id` defaults
            to the query; the optional column `id`, the passage's id, defaults to the passage's
            position among the query's rows. Order the rows of a query as the first stage does.

    Raises:
        InvalidInputError: A column is missing, or a row cannot be used. The message names the column
            and the row's index in the frame.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"query": ["q", "q"], "passage": ["a", "b"], "grade": [None, 1]})
    >>> list(read_frame(frame))
    [LabelledQuery(id='q', query='q', candidates=[('0', 'a'), ('1', 'b')], relevant={'1': 1})]
    """
    old = "text" in frame.columns and "passage" not in frame.columns
    passages = "text" if old else "passage"
    required = ("query", passages, "grade")
    missing = [name for name in required if name not in frame.columns]
    if missing:
        raise InvalidInputError(
            f"the frame has no column {missing[0]!r}; name its columns {', '.join(required)}"
        )
    key = "query_id" if "query_id" in frame.columns else "query"
    for name in (key, "query"):  # groupby drops rows with a missing key
        for label in frame.index[frame[name].isna()][:1]:
            raise InvalidInputError(
                f"row {label!r}: {name!r} is missing; fill it in or drop the row"
            )
    for id_, rows in frame.groupby(key, sort=False):
        yield _labelled(str(id_), rows, passages)


def _labelled(id_: str, rows: Any, passages: str) -> LabelledQuery:
    candidates: list[Candidate] = []
    relevant: dict[str, int] = {}
    records = zip(rows.index, rows.to_dict("records"), rows["grade"].notna(), strict=True)
    for label, row, judged in records:
        passage = row[passages]
        if not isinstance(passage, str):
            raise InvalidInputError(
                f"row {label!r}: {passages!r} is {passage!r:.80}; give a string"
            )
        passage_id = str(row.get("id", len(candidates)))
        candidates.append((passage_id, passage))
        if judged:
            relevant[passage_id] = checked_grade(_whole(row["grade"]), f"row {label!r}: 'grade'")
    labelled = LabelledQuery(id_, rows["query"].iloc[0], candidates, relevant)
    return check_labelled(labelled, f"row {rows.index[0]!r}, query {id_!r:.80}")


def _whole(grade: Any) -> Any:
    """Return a whole float as an int: pandas turns a column with missing values into floats."""
    try:
        return int(grade) if grade == int(grade) else grade
    except (TypeError, ValueError, OverflowError):
        return grade
