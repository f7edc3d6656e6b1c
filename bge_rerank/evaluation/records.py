"""The numbers of each query, and the file to which each is written as soon as it is measured.

The first line holds the settings. Each further line holds a run, or a query that the run measured. If an
interrupted run left an unfinished last line, that line is dropped and its query is measured again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from bge_rerank.errors import ConfigurationError, InvalidInputError
from bge_rerank.evaluation.result import Agreement, Loss, Run
from bge_rerank.models.json_lines import differing, json_line, whole_lines

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FORMAT = 4
"""The version of the file's layout."""


@dataclass(frozen=True, slots=True)
class QueryRecord:
    """The numbers of one query.

    Attributes:
        id: The query's id.
        relevant: How many relevant passages its labels name.
        found: How many of these are among the candidates.
        before: The measures of the first stage's order, in the order of `measure_names`.
        after: The measures of the reranked order, by model.
        milliseconds: The latency of reranking, by model.
        losses: The texts, by model whose nDCG@k fell.
        agreement: The agreement with the first stage's order, by model.
        keywords: Whether the query is keywords (`is_keywords`).
        candidates: How many candidates were reranked.
        depths: nDCG@k at each depth below the whole depth, by model that has results by depth.
        depth_milliseconds: The latency at each of these depths, by model for which it was measured.
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
    """The file of an evaluation: its contents can be read, and then added to."""

    def __init__(self, path: Path, settings: Mapping[str, Any], *, fresh: bool = False) -> None:
        """Open the file, or create it with its folder.

        Args:
            path: The file.
            settings: The settings that decide the numbers, as plain values.
            fresh: Delete the file's contents.

        Raises:
            ConfigurationError: The file was measured with other settings; the message names them.
            InvalidInputError: The file cannot be opened, or does not hold an evaluation.
        """
        self.path = path
        self._header = json.loads(json.dumps({"format": FORMAT, "settings": settings}))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if fresh:
                path.unlink(missing_ok=True)
            path.touch()
        except OSError as error:
            raise InvalidInputError(
                f"cannot write {str(path)!r} ({error.strerror}); choose another output"
            ) from error
        whole = whole_lines(path)
        if not whole:
            self._check_empty()
        elif not self._is_ours():
            whole = 0
        self._file: IO[bytes] = path.open("ab")
        self._file.truncate(whole)
        if not whole:
            self._write(self._header)

    def read(self) -> Iterator[QueryRecord | Run]:
        """Yield the runs and the queries that they measured, in the order of measuring.

        Raises:
            InvalidInputError: This class did not write a line of the file.
        """
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if number > 1:
                    yield _entry(line, f"{self.path}:{number}")

    def add(self, entry: QueryRecord | Run) -> None:
        """Write a run or a query. The file has it when this returns, though the disk may not."""
        self._write(asdict(entry))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, fields: Mapping[str, Any]) -> None:
        self._file.write(json_line(fields))
        self._file.flush()

    def _is_ours(self) -> bool:
        """Say whether the settings are equal, or refuse a file with others if it holds numbers."""
        with self.path.open("rb") as lines:
            there = _fields(next(lines), f"{self.path}:1")
            has_numbers = bool(next(lines, b""))
        if there.get("format") != FORMAT or not isinstance(there.get("settings"), dict):
            raise _no_evaluation(self.path)
        changed = differing(there["settings"], self._header["settings"])
        if changed and has_numbers:
            raise ConfigurationError(
                f"{str(self.path)!r} was measured with other settings ({'; '.join(changed)}); "
                "use the same settings, choose another output, or pass fresh=True to measure anew"
            )
        return not changed

    def _check_empty(self) -> None:
        """Refuse a file without a whole line, unless it is empty or holds the start of our header."""
        if not json_line(self._header).startswith(self.path.read_bytes()):
            raise _no_evaluation(self.path)


def _no_evaluation(path: Path) -> InvalidInputError:
    return InvalidInputError(
        f"this version of evaluate did not write {str(path)!r}; choose another output, or pass "
        "fresh=True to replace the file"
    )


def _fields(line: bytes, place: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"{place}: not valid JSON ({error}); choose another output, or pass fresh=True to replace "
            "the file"
        ) from error
    return fields if isinstance(fields, dict) else {}


def _entry(line: bytes, place: str) -> QueryRecord | Run:
    from pydantic import ValidationError

    try:
        return _reader().validate_json(line)
    except ValidationError as error:
        raise InvalidInputError(
            f"{place}: not a line of an evaluation; pass fresh=True to measure anew"
        ) from error


@cache
def _reader() -> TypeAdapter[QueryRecord | Run]:
    from pydantic import TypeAdapter

    return TypeAdapter(QueryRecord | Run)
