"""Rows in Parquet, read a few at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from bge_rerank.batch.rows import COLUMNS, Raw
from bge_rerank.errors import InvalidInputError
from bge_rerank.extras import needs_extra

with needs_extra("batch", "reading Parquet"):
    import pyarrow as pa
    import pyarrow.parquet as pq

    from bge_rerank.batch.arrow_rows import ROWS_A_BATCH, ids_of, raw_rows
    from bge_rerank.batch.parquet_writer import ParquetWriter


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
            ids = ids_of(batch.column("id"))
            yield from ids if until is None else ids[: max(until - first, 0)]
            if until is not None and first + len(ids) >= until:
                return

    def read(self, after: int) -> Iterator[Raw]:
        """Yield the rows after a row's number.

        Raises:
            InvalidInputError: The file is damaged. The message names the row.
        """
        for first, batch in self._batches(after, None):
            yield from (raw for raw in raw_rows(batch, first) if raw.number > after)

    def writer(self, file: IO[bytes], added: Sequence[str]) -> ParquetWriter:
        """Return a writer of these rows into an open file, whose candidates have `added` fields."""
        return ParquetWriter(file, added)

    def _batches(self, after: int, columns: list[str] | None) -> Iterator[tuple[int, Any]]:
        """Yield batches with the number of rows before them, from that of a row's number on.

        Row groups are read one by one, so that a damaged one does not hide those before it.
        """
        first = 0
        with self._opened(lambda: first) as file:
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if first + rows <= after:
                    first += rows
                    continue
                for batch in file.iter_batches(ROWS_A_BATCH, row_groups=[group], columns=columns):
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
