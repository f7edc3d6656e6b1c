"""Write rows as Parquet. Columns keep their types; `candidates` becomes a list of records with scores."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from bge_rerank.batch.arrow_rows import ranked_candidates
from bge_rerank.batch.rows import Failure, Row
from bge_rerank.ranking.result import Ranking


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
        candidates = ranked_candidates(batch, ranked, self._added)
        place = rows.schema.get_field_index("candidates")
        field = rows.schema.field(place).with_type(candidates.type)
        return rows.set_column(place, field, candidates)
