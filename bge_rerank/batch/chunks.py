"""`chunks`: gather rows, so that many are scored in one call of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bge_rerank.batch.rows import Failure, Row


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows that are scored together, and those between them that cannot be scored.

    Attributes:
        rows: The rows to score, in the order of their file.
        failures: The others.
        last: The number of the last row of both.
    """

    rows: list[Row]
    failures: list[Failure]
    last: int

    @property
    def pairs(self) -> int:
        """The number of pairs to score."""
        return sum(len(row.passages) for row in self.rows)


def chunks(rows: Iterable[Row | Failure], most_pairs: int, most_characters: int) -> Iterator[Chunk]:
    """Gather rows into chunks of bounded size. A row that is larger by itself makes a chunk alone.

    >>> rows = [Row(n, str(n), "q", ["a"] * n, None) for n in (1, 2, 3)]
    >>> [chunk.pairs for chunk in chunks(rows, 3, 100)]
    [3, 3]
    """
    held: list[Row | Failure] = []
    pairs = characters = 0
    for row in rows:
        more_pairs, more_characters = _size(row)
        full = pairs + more_pairs > most_pairs or characters + more_characters > most_characters
        if held and (full or len(held) >= most_pairs):
            yield _chunk(held)
            held, pairs, characters = [], 0, 0
        held.append(row)
        pairs += more_pairs
        characters += more_characters
    if held:
        yield _chunk(held)


def _size(row: Row | Failure) -> tuple[int, int]:
    """Return the number of a row's pairs and of their characters."""
    if isinstance(row, Failure):
        return 0, len(row.reason)
    return len(row.passages), sum(len(row.query) + len(passage) for passage in row.passages)


def _chunk(held: list[Row | Failure]) -> Chunk:
    rows = [row for row in held if isinstance(row, Row)]
    failures = [row for row in held if isinstance(row, Failure)]
    return Chunk(rows, failures, held[-1].number)
