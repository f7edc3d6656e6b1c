"""Write rows as Parquet. Columns keep their types; `candidates` becomes a list of records with scores."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from bge_rerank.adapters.metadata import RERANK_KEYS
from bge_rerank.batch.rows import Failure, Row, with_scores
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


class ParquetWriter:
    """Writes rows as Parquet, each call as a row group."""

    def __init__(self, file: IO[bytes], added: Sequence[str]) -> None:
        """Write into an open file.

        Args:
            file: The file.
            added: The names of the fields that each candidate receives.
        """
        self._file = file
        self._added = added
        self._writer: Any = None

    def write(self, ranked: Sequence[tuple[Row, Ranking]]) -> list[Failure]:
        """Write rows with their rankings. None fails."""
        of_batches = groupby(ranked, key=lambda each: id(each[0].source[0]))
        tables = [pa.Table.from_batches([self._scored(list(each))]) for _, each in of_batches]
        if tables:
            table = pa.concat_tables(tables)
            if self._writer is None:
                self._writer = pq.ParquetWriter(self._file, table.schema)
            self._writer.write_table(table)
        return []

    def close(self) -> None:
        """Finish the contents. The file stays open."""
        if self._writer is not None:
            self._writer.close()

    def _scored(self, ranked: Sequence[tuple[Row, Ranking]]) -> Any:
        """Return rows of one batch with the candidates of their rankings, best first."""
        batch = ranked[0][0].source[0]
        rows = batch.take(pa.array([row.source[1] for row, _ in ranked]))
        place = rows.schema.get_field_index("candidates")
        candidates = self._candidates(rows.column(place).flatten(), ranked)
        field = rows.schema.field(place).with_type(candidates.type)
        return rows.set_column(place, field, candidates)

    def _candidates(self, given: Any, ranked: Sequence[tuple[Row, Ranking]]) -> Any:
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
        added = {
            name: pa.array([each.get(name) for each in scores], TYPES[name]) for name in self._added
        }
        fields = own | added
        records = pa.StructArray.from_arrays(list(fields.values()), list(fields))
        return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), records)


def _own(candidates: Any, indices: Sequence[int]) -> dict[str, Any]:
    """Return the columns of candidates, without those of an earlier ranking."""
    if not pa.types.is_struct(candidates.type):
        return {"id": pa.array([str(index) for index in indices]), "passage": candidates}
    names = [field.name for field in candidates.type]
    columns = dict(zip(names, candidates.flatten(), strict=True))
    return {name: column for name, column in columns.items() if name not in RERANK_KEYS}
