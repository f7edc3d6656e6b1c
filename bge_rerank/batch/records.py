"""The lines of a batch's manifest: `PartRecord`, with the `Counts` of a part."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows were written, and how many not.

    Attributes:
        rows: The rows written.
        failures: The rows that could not be scored.
        pairs: The pairs of the rows written.

    >>> Counts(rows=2, pairs=40) + Counts(rows=1, failures=1, pairs=20)
    Counts(rows=3, failures=1, pairs=60)
    """

    rows: int = 0
    failures: int = 0
    pairs: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.rows + other.rows, self.failures + other.failures, self.pairs + other.pairs
        )


@dataclass(frozen=True, slots=True)
class PartRecord:
    """A part that is done.

    Attributes:
        part: The name of the part's file; `None` if none of its rows could be scored.
        size: The size of that file in bytes.
        file: The position of the input file, from 0.
        row: The number of its last row that is done, from 1.
        counts: The counts of the part's rows.
        errors_size: The size of the file of errors in bytes, after this part.
    """

    part: str | None
    size: int
    file: int
    row: int
    counts: Counts
    errors_size: int
