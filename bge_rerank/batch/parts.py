"""`Part`: an output file of a batch, which appears under its name when it is whole."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from bge_rerank.batch.chunks import Chunk
from bge_rerank.batch.inputs import InputFile
from bge_rerank.batch.job import Job
from bge_rerank.batch.manifest import written
from bge_rerank.batch.records import Counts
from bge_rerank.batch.rows import Failure
from bge_rerank.ranking.result import Ranking


class Part:
    """A part of a job. Without `finish`, nothing of it counts.

    Attributes:
        counts: The counts of the rows so far.
    """

    def __init__(self, job: Job, place: int, file: InputFile, added: Sequence[str]) -> None:
        """Open a file with a temporary name.

        Args:
            job: The job.
            place: The position of the input file, from 0.
            file: The input file.
            added: The names of the fields that each candidate receives.
        """
        self._job, self._place, self._input = job, place, file
        self._path = job.unfinished_part(file.suffix)
        self._row = 0
        self.counts = Counts()
        with written(self._path):
            self._file = self._path.open("wb")
        self._writer = file.writer(self._file, added)

    def add(self, chunk: Chunk, rankings: Sequence[Ranking | str]) -> None:
        """Write the rows of a chunk with their rankings, or why a row has none."""
        failures = [*chunk.failures]
        ranked = []
        for row, ranking in zip(chunk.rows, rankings, strict=True):
            if isinstance(ranking, str):
                failures.append(Failure(row.number, row.id, ranking))
            else:
                ranked.append((row, ranking))
        with written(self._path):
            unwritten = self._writer.write(ranked)
        failures += unwritten
        for failure in sorted(failures, key=lambda each: each.number):
            self._job.add_failure(self._input.path, failure)
        left_out = {failure.number for failure in unwritten}
        pairs = [len(row.passages) for row, _ in ranked if row.number not in left_out]
        self.counts += Counts(len(pairs), len(failures), sum(pairs))
        self._row = chunk.last

    def finish(self) -> None:
        """Give the file its name, and count its rows as done."""
        with written(self._path):
            self._writer.close()
            self._file.flush()
            os.fsync(self._file.fileno())
        path = self._path if self.counts.rows else None
        self._job.commit(path, self._place, self._row, self.counts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        with suppress(OSError, ValueError):  # a full disk, or closed already
            self._writer.close()
        with suppress(OSError):
            self._file.close()
