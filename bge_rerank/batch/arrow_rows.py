"""Rows in Arrow: read as plain values, and the column of their ranked candidates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from bge_rerank.adapters.metadata import RERANK_KEYS
from bge_rerank.batch.rows import COLUMNS, Raw, Row, with_scores
from bge_rerank.ranking.result import Ranking

TYPES = {
    "rank": pa.int32(),
    "index": pa.int32(),
    "logit": pa.float64(),
    "rerank_score": pa.float64(),
    "rerank_probability": pa.float64(),
    "rerank_fused": pa.float64(),
    "rerank_span": pa.list_(pa.int32()),
}
"""The types of the fields that a candidate receives."""
ROWS_A_BATCH = 64
"""Rows that are plain values at the same time. A row may have a thousand passages."""


def raw_rows(batch: Any, before: int = 0) -> Iterator[Raw]:
    """Yield the rows of a record batch. Their source is the batch and their position in it.

    Args:
        batch: The record batch. It may lack columns.
        before: The number of rows before the batch, from which its rows are numbered.
    """
    for start in range(0, batch.num_rows, ROWS_A_BATCH):
        for index, (fields, fault) in enumerate(_fields(batch.slice(start, ROWS_A_BATCH)), start):
            yield Raw(before + index + 1, fields, fault, source=(batch, index))


def ranked_candidates(
    batch: Any, ranked: Sequence[tuple[Row, Ranking]], added: Sequence[str]
) -> Any:
    """Return the candidates of rankings, best first, as a column with an item for each ranking.

    Args:
        batch: The record batch that all rows come from.
        ranked: The rows with their rankings.
        added: The names of the fields that each candidate receives.
    """
    given = _given(batch, [row for row, _ in ranked])
    kept: list[int] = []
    ends = [0]
    scores: list[dict[str, Any]] = []
    start = 0
    for row, ranking in ranked:
        for rank, each in enumerate(ranking, 1):
            kept.append(start + each.index)
            scores.append(with_scores({}, rank, each, row.passages[each.index]))
        start += len(row.passages)
        ends.append(len(kept))
    indices = [score["index"] for score in scores]
    own = _own(given.take(pa.array(kept, pa.int64())), indices)
    new = {name: pa.array([each.get(name) for each in scores], TYPES[name]) for name in added}
    fields = own | new
    records = pa.StructArray.from_arrays(list(fields.values()), list(fields))
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), records)


def ids_of(column: Any) -> list[object]:
    """Return ids as Python values; `None` for those that are not UTF-8."""
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        size = len(column)
        return [None] if size == 1 else [ids_of(column.slice(n, 1))[0] for n in range(size)]


def _fields(batch: Any) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Yield the fields of each row, or its id alone and why the row cannot be read."""
    wanted = batch.select([name for name in COLUMNS if name in batch.schema.names])
    try:
        yield from ((fields, None) for fields in wanted.to_pylist())
    except UnicodeDecodeError:
        ids = ids_of(batch.column("id")) if "id" in batch.schema.names else [None] * len(batch)
        for index, id_ in enumerate(ids):
            try:
                [fields] = wanted.slice(index, 1).to_pylist()
            except UnicodeDecodeError as error:
                yield {"id": id_}, f"not UTF-8 ({error.reason}); write the strings as UTF-8"
            else:
                yield fields, None


def _given(batch: Any, rows: Sequence[Row]) -> Any:
    """Return the candidates of rows as one column: as they are, or as strings if their type is unusual."""
    place = batch.schema.get_field_index("candidates")
    if place >= 0 and _holds_records_or_strings(batch.schema.field(place).type):
        numbers = pa.array([row.source[1] for row in rows], pa.int64())
        return batch.column(place).take(numbers).flatten()
    return pa.array([text for row in rows for text in row.passages], pa.string())


def _holds_records_or_strings(type_: Any) -> bool:
    if not (pa.types.is_list(type_) or pa.types.is_large_list(type_)):
        return False
    tests = (pa.types.is_struct, pa.types.is_string, pa.types.is_large_string)
    return any(test(type_.value_type) for test in tests)


def _own(candidates: Any, indices: Sequence[int]) -> dict[str, Any]:
    """Return the columns of candidates, without those of an earlier ranking."""
    if not pa.types.is_struct(candidates.type):
        ids = pa.array([str(index) for index in indices], pa.string())
        return {"id": ids, "passage": candidates}
    names = [field.name for field in candidates.type]
    columns = dict(zip(names, candidates.flatten(), strict=True))
    return {name: column for name, column in columns.items() if name not in RERANK_KEYS}
