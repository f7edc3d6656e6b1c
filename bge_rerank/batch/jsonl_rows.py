"""Rows in JSONL: a row is an object on a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from bge_rerank.batch.rows import Failure, Raw, Row, with_scores
from bge_rerank.data.jsonl import decoded, parse_object
from bge_rerank.errors import InvalidInputError
from bge_rerank.ranking.result import Ranking


class JsonlRows:
    """The rows of a JSONL file, one line at a time. Blank lines are skipped.

    Attributes:
        path: The file.
        share_read: The share of the file that was read, 0..1.
    """

    suffix = ".jsonl"

    def __init__(self, path: Path) -> None:
        """Take a file that exists."""
        self.path = path
        self.share_read = 0.0

    def ids(self, until: int | None) -> Iterator[object]:
        """Yield the id of each row up to a row's number; `None` is all. An unreadable row has none."""
        for number, line in self._lines():
            if until is not None and number > until:
                return
            yield _raw(number, line).fields.get("id")

    def read(self, after: int) -> Iterator[Raw]:
        """Yield the rows after a row's number."""
        return (_raw(number, line) for number, line in self._lines() if number > after)

    def writer(self, file: IO[bytes], _added: Sequence[str]) -> JsonlWriter:
        """Return a writer of these rows into an open file."""
        return JsonlWriter(file)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        try:
            size, read = self.path.stat().st_size, 0
            with self.path.open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    read += len(line)
                    self.share_read = read / max(size, read)
                    if line.strip():
                        yield number, line
        except OSError as error:
            raise InvalidInputError(
                f"cannot read {str(self.path)!r} ({error.strerror}); check the path"
            ) from error


class JsonlWriter:
    """Writes rows as JSONL. Other fields stay as they are."""

    def __init__(self, file: IO[bytes]) -> None:
        """Write into an open file."""
        self._file = file

    def write(self, ranked: Sequence[tuple[Row, Ranking]]) -> list[Failure]:
        """Write rows with their rankings, and return those that cannot be written."""
        failures = []
        for row, ranking in ranked:
            try:
                line = json.dumps(_scored(row.source, row.passages, ranking))
            except RecursionError:
                fault = "the row is nested too deep to write as JSON; remove some of its levels"
                failures.append(Failure(row.number, row.id, fault))
            else:
                self._file.write(line.encode() + b"\n")
        return failures

    def close(self) -> None:
        """Finish the contents. The file stays open."""


def _raw(number: int, line: bytes) -> Raw:
    try:
        fields = parse_object(decoded(line, "row"), "row")
    except InvalidInputError as error:
        return Raw(number, {}, str(error))
    return Raw(number, fields, source=fields)


def _scored(fields: dict[str, Any], passages: Sequence[str], ranking: Ranking) -> dict[str, Any]:
    """Return a row with the candidates of its ranking, best first."""
    given = fields["candidates"]
    candidates = [
        with_scores(_own(given[each.index], each.index), rank, each, passages[each.index])
        for rank, each in enumerate(ranking, 1)
    ]
    return fields | {"candidates": candidates}


def _own(candidate: str | dict[str, Any], index: int) -> dict[str, Any]:
    """Return a candidate as an object. The id of a string is its position, as for every reader."""
    if isinstance(candidate, str):
        return {"id": str(index), "passage": candidate}
    return candidate
