"""The input files of a batch: found by path or pattern, and opened by format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from glob import glob
from os import PathLike, fspath
from pathlib import Path
from typing import IO, Protocol

from bge_rerank.batch.jsonl_rows import JsonlRows
from bge_rerank.batch.rows import Failure, Raw, Row
from bge_rerank.errors import InvalidInputError
from bge_rerank.ranking.result import Ranking

JSONL, PARQUET = (".jsonl", ".ndjson"), (".parquet", ".pq")


class Writer(Protocol):
    """Writes rows in a format."""

    def write(self, ranked: Sequence[tuple[Row, Ranking]]) -> list[Failure]:
        """Write rows with their rankings, and return those that cannot be written."""
        ...

    def close(self) -> None:
        """Finish the contents. The file stays open."""
        ...


class InputFile(Protocol):
    """A file of rows.

    Attributes:
        path: The file.
        suffix: The ending of the name of an output file.
        share_read: The share of the file that was read, 0..1.
    """

    path: Path
    suffix: str
    share_read: float

    def ids(self, until: int | None) -> Iterator[object]:
        """Yield the id of each row up to a row's number; `None` is all."""
        ...

    def read(self, after: int) -> Iterator[Raw]:
        """Yield the rows after a row's number."""
        ...

    def writer(self, file: IO[bytes], added: Sequence[str]) -> Writer:
        """Return a writer of these rows; `added` names the fields that each candidate receives."""
        ...


def open_inputs(inputs: Iterable[str | PathLike[str]]) -> list[InputFile]:
    """Return the files of paths and patterns, in that order; those of a pattern by name.

    Raises:
        InvalidInputError: A file does not exist, is of another format, or is not a whole Parquet file.
        MissingDependencyError: A file is Parquet, and pyarrow is not installed.
    """
    found = [Path(path) for given in inputs for path in _matching(fspath(given))]
    if not found:
        raise InvalidInputError("the batch has no input; name a JSONL or Parquet file")
    return [_open(path) for path in dict.fromkeys(path.absolute() for path in found)]


def _matching(given: str) -> list[str]:
    found = [given] if Path(given).exists() else sorted(glob(given, recursive=True))  # noqa: PTH207
    if not found:
        raise InvalidInputError(f"no file matches {given!r}; check the path")
    return found


def _open(path: Path) -> InputFile:
    if path.is_file() and path.suffix in JSONL:
        return JsonlRows(path)
    if path.is_file() and path.suffix in PARQUET:
        from bge_rerank.batch.parquet_rows import ParquetRows

        return ParquetRows(path)
    raise InvalidInputError(
        f"{str(path)!r} is not a file named {', '.join((*JSONL, *PARQUET))}; for the files of a "
        "folder, pass a pattern such as 'folder/*.parquet'"
    )
