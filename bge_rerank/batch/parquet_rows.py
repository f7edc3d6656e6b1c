"""Rows in Parquet. Columns keep their types; `candidates` becomes a list of records with scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import IO, Any

from bge_rerank.adapters.metadata import RERANK_KEYS
from bge_rerank.batch.rows import Failure, Raw, Row, with_scores
from bge_rerank.errors import InvalidInputError
from bge_rerank.extras import needs_extra
from bge_rerank.ranking.result import Ranking

with needs_extra("batch", "reading Parquet"):
    import pyarrow as pa
    import pyarrow.parquet as pq

COLUMNS = ("id", "query", "candidates")
ROWS_A_BATCH = 64
"""Rows that are read at once. A row may have a thousand passages."""
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


class ParquetRows:
    """The rows of a Parquet file, a few at a time.

    Attributes:
        path: The file.
        share_read: The share of the file that was read, 0..1.
    """

    suffix = ".parquet"

    def __init__(self, path: Path) -> None:
        """Read the file's description.

        Raises:
            InvalidInputError: It is not a whole Parquet file, or lacks a column.
        """
        self.path = path
        self.share_read = 0.0
        with self._opened() as file:
            names = file.schema_arrow.names
        missing = [name for name in COLUMNS if names.count(name) != 1]
        if missing:
            raise InvalidInputError(
                f"{str(path)!r} has {names.count(missing[0])} columns {missing[0]!r}; give each file "
                f"one column of each of the names {', '.join(COLUMNS)}"
            )

    def ids(self, until: int | None) -> Iterator[object]:
        """Yield the id of each row up to a row's number; `None` is all."""
        for first, batch in self._batches(0, ["id"]):
            ids = batch.column("id").to_pylist()
            yield from ids if until is None else ids[: max(until - first, 0)]
            if until is not None and first + len(ids) >= until:
                return

    def read(self, after: int) -> Iterator[Raw]:
        """Yield the rows after a row's number.

        Raises:
            InvalidInputError: The file is damaged. The message names the row.
        """
        for first, batch in self._batches(after, None):
            for index, (fields, fault) in enumerate(_fields(batch)):
                if first + index >= after:
                    yield Raw(first + index + 1, fields, fault, source=(batch, index))

    def writer(self, file: IO[bytes], added: Sequence[str]) -> ParquetWriter:
        """Return a writer of these rows into an open file, whose candidates have `added` fields."""
        return ParquetWriter(file, added)

    def _batches(self, after: int, columns: list[str] | None) -> Iterator[tuple[int, Any]]:
        """Yield batches with the number of rows before them, from that of a row's number on."""
        first = 0
        with self._opened(lambda: first) as file:
            sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
            skipped = 0
            while skipped < len(sizes) and first + sizes[skipped] <= after:
                first += sizes[skipped]
                skipped += 1
            groups = range(skipped, len(sizes))
            for batch in file.iter_batches(ROWS_A_BATCH, row_groups=groups, columns=columns):
                yield first, batch
                first += batch.num_rows
                self.share_read = first / file.metadata.num_rows

    @contextmanager
    def _opened(self, rows: Any = lambda: 0) -> Iterator[Any]:
        """Open the file. `rows` returns the number of rows that were read, for an error."""
        try:
            with pq.ParquetFile(self.path, buffer_size=1 << 20, pre_buffer=False) as file:
                yield file
        except (pa.ArrowException, OSError) as error:
            reason = " ".join(str(error).split())
            raise InvalidInputError(
                f"cannot read {str(self.path)!r} after row {rows()} ({reason:.200}); the file is not "
                "Parquet, or damaged: write it again, and start a new batch"
            ) from error


def _fields(batch: Any) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Yield the fields of each row, or why it cannot be read."""
    wanted = batch.select(COLUMNS)
    try:
        yield from ((fields, None) for fields in wanted.to_pylist())
    except UnicodeDecodeError:
        for index in range(batch.num_rows):
            try:
                [fields] = wanted.slice(index, 1).to_pylist()
            except UnicodeDecodeError as error:
                yield {}, f"not UTF-8 ({error.reason}); write the strings as UTF-8"
            else:
                yield fields, None


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
