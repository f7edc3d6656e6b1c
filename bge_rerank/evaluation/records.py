"""What is kept of each query, and the file that it is written to as it comes.

The first line holds the settings, each further one a query. A last line that a broken-off run left
unfinished is dropped, and the query is measured again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from bge_rerank.errors import ConfigurationError, InvalidInputError
from bge_rerank.evaluation.result import Agreement, Loss

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FORMAT = 3
"""The version of the file's layout."""


@dataclass(frozen=True, slots=True)
class QueryRecord:
    """The numbers of one query.

    Attributes:
        id: The query's id.
        relevant: How many relevant passages its labels name.
        found: How many of those are among the candidates.
        before: The measures of the first stage's order, as `measure_names` has them.
        after: The measures of the reranked order, by model.
        milliseconds: What reranking took, by model.
        losses: How the query was lost, by model, where its nDCG@k fell.
        agreement: With the first stage's order, by model.
        keywords: Whether the query is keywords (`is_keywords`).
        candidates: How many candidates were reranked.
        depths: nDCG@k at each depth below the whole one, by model, where it has a curve.
        depth_milliseconds: What reranking took at each of those, by model, where it was measured.
    """

    id: str
    relevant: int
    found: int
    before: tuple[float, ...]
    after: Mapping[str, tuple[float, ...]]
    milliseconds: Mapping[str, float]
    losses: Mapping[str, Loss]
    agreement: Mapping[str, Agreement]
    keywords: bool
    candidates: int
    depths: Mapping[str, tuple[float, ...]]
    depth_milliseconds: Mapping[str, tuple[float, ...]]


class RecordFile:
    """The file of an evaluation: read what is there, then add to it."""

    def __init__(self, path: Path, settings: Mapping[str, Any], *, fresh: bool = False) -> None:
        """Open the file, or begin it.

        Args:
            path: Where it is; its folder is made.
            settings: What decides the numbers, as JSON can hold it.
            fresh: Drop what is there.

        Raises:
            ConfigurationError: What is there was measured with other settings; it names them.
            InvalidInputError: It cannot be opened, or is no such file.
        """
        self.path = path
        self._header = json.loads(json.dumps({"format": FORMAT, "settings": settings}))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if fresh:
                path.unlink(missing_ok=True)
            path.touch()
        except OSError as error:
            raise InvalidInputError(f"cannot write {str(path)!r}: {error.strerror}") from error
        whole = _whole_lines(path)
        if whole:
            self._check()
        else:
            self._check_empty()
        self._file: IO[bytes] = path.open("ab")
        self._file.truncate(whole)
        if not whole:
            self._write(self._header)

    def read(self) -> Iterator[QueryRecord]:
        """Give the queries that were measured, in the order of measuring.

        Raises:
            InvalidInputError: A line is none that this class wrote.
        """
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if number > 1:
                    yield _query_record(line, f"{self.path}:{number}")

    def add(self, record: QueryRecord) -> None:
        """Write a query down; it is in the file when this returns, though perhaps not on the disk."""
        self._write(asdict(record))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, fields: Mapping[str, Any]) -> None:
        self._file.write(_line(fields))
        self._file.flush()

    def _check(self) -> None:
        """Refuse a file that is none of an evaluation, or one with other settings."""
        with self.path.open("rb") as lines:
            there = _fields(next(lines), f"{self.path}:1")
        if there.get("format") != FORMAT or not isinstance(there.get("settings"), dict):
            raise _no_evaluation(self.path)
        changed = differing(there["settings"], self._header["settings"])
        if changed:
            raise ConfigurationError(
                f"{str(self.path)!r} was measured with other settings: {'; '.join(changed)}; "
                "give the same, or another output, or start afresh"
            )

    def _check_empty(self) -> None:
        """Refuse a file without a whole line, but for the beginning of a header."""
        if not _line(self._header).startswith(self.path.read_bytes()):
            raise _no_evaluation(self.path)


def _line(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields).encode() + b"\n"


def _no_evaluation(path: Path) -> InvalidInputError:
    return InvalidInputError(
        f"{str(path)!r} is no evaluation that this version wrote; "
        "give another output, or start afresh"
    )


def differing(there: Mapping[str, Any], here: Mapping[str, Any], of: str = "") -> list[str]:
    """Name the settings that differ, those inside others with their names in front.

    >>> differing({"depth": 50, "data": {"split": "dev"}}, {"depth": 20, "data": {"split": "test"}})
    ['data.split was "dev" and is "test"', 'depth was 50 and is 20']
    """
    changed = []
    for name in sorted({*there, *here}):
        was, is_ = there.get(name), here.get(name)
        if isinstance(was, dict) and isinstance(is_, dict):
            changed += differing(was, is_, f"{of}{name}.")
        elif was != is_:
            changed.append(f"{of}{name} was {json.dumps(was)} and is {json.dumps(is_)}")
    return changed


def _whole_lines(path: Path) -> int:
    """Return where the last whole line of a file ends, in bytes."""
    end = 0
    with path.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                break
            end += len(line)
    return end


def _fields(line: bytes, place: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{place}: no JSON ({error}); start afresh") from error
    return fields if isinstance(fields, dict) else {}


def _query_record(line: bytes, place: str) -> QueryRecord:
    from pydantic import ValidationError

    try:
        return _reader().validate_json(line)
    except ValidationError as error:
        raise InvalidInputError(f"{place}: no query of an evaluation; start afresh") from error


@cache
def _reader() -> TypeAdapter[QueryRecord]:
    from pydantic import TypeAdapter

    return TypeAdapter(QueryRecord)
