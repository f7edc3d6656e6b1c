"""A row of a batch: its check, and the scores that its candidates receive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bge_rerank.adapters.metadata import with_rerank_metadata
from bge_rerank.batch.seen_ids import SeenIds
from bge_rerank.errors import InvalidInputError
from bge_rerank.types import Ranked

COLUMNS = ("id", "query", "candidates")
"""The fields of a row, as columns."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A row as its file has it.

    Attributes:
        number: The row's number in its file, from 1; in JSONL, the line's number.
        fields: The fields of the row; without them, the row cannot be read.
        fault: Why the row cannot be read.
        source: What the writer of the file's format needs in order to write the row.
    """

    number: int
    fields: Mapping[str, Any]
    fault: str | None = None
    source: Any = None


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can be scored."""

    number: int
    id: str
    query: str
    passages: list[str]
    source: Any


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that cannot be scored.

    Attributes:
        number: The row's number in its file, from 1.
        id: The row's id; `None` if it has none that can be used.
        reason: Why it cannot be scored.
    """

    number: int
    id: str | None
    reason: str


def usable_id(given: object) -> str | None:
    """Return an id as the reader of rows returns it; `None` if it refuses the id.

    >>> usable_id(7), usable_id("q7"), usable_id(""), usable_id(None), usable_id(True)
    ('7', 'q7', None, None, None)
    """
    if type(given) is int:
        try:
            return str(given)
        except ValueError:  # too many digits
            return None
    return given if isinstance(given, str) and given else None


def checked(raw: Raw, seen: SeenIds | None = None) -> Row | Failure:
    """Return a row, or why it cannot be scored. Its id counts as seen in both cases.

    Without `seen`, ids may repeat.
    """
    id_ = usable_id(raw.fields.get("id"))
    is_new = id_ is None or seen is None or seen.add(id_)
    try:
        return _row(raw, is_new=is_new)
    except InvalidInputError as error:
        return Failure(raw.number, id_, str(error).removeprefix("row: "))


def _row(raw: Raw, *, is_new: bool) -> Row:
    from bge_rerank.data.records import RowRecord, parse

    if raw.fault is not None:
        raise InvalidInputError(raw.fault)
    record = parse(RowRecord, raw.fields, "row")
    if not is_new:
        raise InvalidInputError(f"'id' is {record.id!r:.80}, as on an earlier row; ids must differ")
    if not record.candidates:
        raise InvalidInputError("'candidates' is []; give one passage or more")
    passages = [candidate.passage for candidate in record.candidates]
    return Row(raw.number, record.id, record.query, passages, raw.source)


def with_scores(own: Mapping[str, Any], rank: int, ranked: Ranked, passage: str) -> dict[str, Any]:
    """Return a candidate's own fields and those of its ranking, which replace those of an earlier one.

    >>> with_scores({"id": "a"}, 1, Ranked(index=4, score=0.5, logit=0.0), "text")
    {'id': 'a', 'rank': 1, 'index': 4, 'logit': 0.0, 'rerank_score': 0.5}
    """
    placed = {**own, "rank": rank, "index": ranked.index, "logit": ranked.logit}
    return with_rerank_metadata(placed, ranked, passage, passage)
