"""`Job`: the output folder of a batch. It says which rows are done, and keeps each of them exactly once.

- `part-000000.jsonl` or `.parquet`, and so on: the rows with their scores. A part appears when it is whole.
- `errors.jsonl`: the rows that cannot be scored.
- `manifest.jsonl`: the settings on the first line, then a line for each part, written after the part.

A part without a line in the manifest does not count: the next run removes it, and the errors after the
last line, and scores these rows again. All files are on the disk before the line that counts them.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from bge_rerank.batch.records import Counts, PartRecord
from bge_rerank.batch.rows import Failure
from bge_rerank.errors import ConfigurationError
from bge_rerank.models.json_lines import differing, json_line, whole_lines

MANIFEST, ERRORS = "manifest.jsonl", "errors.jsonl"
FORMAT = 1
"""The version of the manifest's layout."""
MOST_SHOWN = 3
"""The most changed settings that a message names."""
UNFINISHED = ".tmp"
_OURS = re.compile(r"part-\d{6,}\.\w+|(part-\d{6,}\.\w+|manifest\.jsonl)\.tmp")


class Job:
    """The output folder of a batch, which one process at a time writes.

    Attributes:
        folder: The folder.
        parts: The parts that are done, in order.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        """Open the folder, or make it, and remove what an interrupted run left unfinished.

        Raises:
            ConfigurationError: The folder cannot be written, is in use, holds something else, or
                belongs to a batch with other settings. Nothing in it was changed then.
        """
        self.folder = folder
        self._header = json.loads(json.dumps({"format": FORMAT, "settings": settings}))
        with self.written(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._folder = os.open(folder, os.O_RDONLY)
        try:
            self._lock()
            self.parts = self._read_manifest()
            with self.written(folder):
                self._remove_unfinished()
                self._errors = self._opened_errors()
        except BaseException:
            os.close(self._folder)
            raise

    @property
    def done(self) -> Counts:
        """What became of the rows that are done."""
        return sum((part.counts for part in self.parts), Counts())

    @property
    def paths(self) -> tuple[Path, ...]:
        """The paths of the parts, in order."""
        return tuple(self.folder / part.part for part in self.parts if part.part)

    def last_row(self, file: int) -> int | None:
        """Return the number of the last row of an input file that is done; `None` is all of them."""
        last = self.parts[-1] if self.parts else None
        if last is None or file > last.file:
            return 0
        return last.row if file == last.file else None

    def unfinished_part(self, suffix: str) -> Path:
        """Return the temporary path of the next part."""
        return self.folder / f"part-{len(self.paths):06d}{suffix}{UNFINISHED}"

    def add_failure(self, path: Path, failure: Failure) -> None:
        """Write a row that cannot be scored to the file of errors."""
        line = {"file": str(path), "row": failure.number, "id": failure.id}
        with self.written(self.folder / ERRORS):
            self._errors.write(json_line(line | {"reason": failure.reason}))

    def commit(self, part: Path | None, file: int, row: int, counts: Counts) -> None:
        """Count a part as done; it and its errors are on the disk when this returns.

        Args:
            part: Its temporary path; `None` if none of its rows could be scored.
            file: The position of the input file, from 0.
            row: The number of its last row.
            counts: What became of its rows.
        """
        with self.written(self.folder / ERRORS):
            self._errors.flush()
            os.fsync(self._errors.fileno())
        name, size = None, 0
        if part is not None:
            name, size = part.stem, part.stat().st_size
            with self.written(part):
                part.rename(part.with_suffix(""))
                os.fsync(self._folder)
        record = PartRecord(name, size, file, row, counts, self._errors.tell())
        path = self.folder / MANIFEST
        with self.written(path):
            _write(path, "ab", json_line(asdict(record)))
        self.parts.append(record)

    def close(self) -> None:
        """Close the folder, without what is not finished."""
        with suppress(OSError):  # on a full disk, the last errors do not fit
            self._errors.close()
        with suppress(OSError):
            self._remove_unfinished()
        os.close(self._folder)

    @contextmanager
    def written(self, path: Path) -> Iterator[None]:
        """Name the file if the block cannot write it."""
        try:
            yield
        except OSError as error:
            raise ConfigurationError(
                f"cannot write {str(path)!r} ({error.strerror or error}); make room or allow writing, and run "
                "the same batch again: it continues after the last whole part"
            ) from error

    def _lock(self) -> None:
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError(
                f"another process writes a batch into {str(self.folder)!r}; wait for it, or choose another "
                "output"
            ) from error

    def _read_manifest(self) -> list[PartRecord]:
        """Return the parts that are done, after a check that they belong to this batch."""
        path = self.folder / MANIFEST
        if not path.exists():
            self._check_empty()
            self._start()
            return []
        header, *lines = path.read_bytes()[: whole_lines(path)].splitlines() or [b""]
        there = _object(header)
        if there.get("format") != FORMAT or not isinstance(there.get("settings"), dict):
            raise self._foreign(MANIFEST)
        changed = differing(there["settings"], self._header["settings"])
        if changed and lines:
            raise ConfigurationError(
                f"{str(self.folder)!r} holds a batch with other settings ({'; '.join(changed[:MOST_SHOWN])}); "
                "use the same settings and inputs, or choose another output"
            )
        if changed:
            self._start()
        parts = [self._record(line) for line in lines]
        with self.written(path):
            os.truncate(path, whole_lines(path))
        return parts

    def _record(self, line: bytes) -> PartRecord:
        """Return a part after a check that its file is there."""
        from pydantic import TypeAdapter, ValidationError

        try:
            record = TypeAdapter(PartRecord).validate_json(line, strict=True)
        except ValidationError as error:
            raise self._foreign(MANIFEST) from error
        path = self.folder / (record.part or "")
        if record.part and not (path.is_file() and path.stat().st_size == record.size):
            raise ConfigurationError(
                f"{str(path)!r} is missing or differs from the part that was written; bring it back, or "
                "choose another output"
            )
        return record

    def _opened_errors(self) -> IO[bytes]:
        """Open the file of errors without those after the last part."""
        path = self.folder / ERRORS
        path.touch()
        os.truncate(path, self.parts[-1].errors_size if self.parts else 0)
        return path.open("ab")

    def _check_empty(self) -> None:
        for path in self.folder.iterdir():
            if path.name != MANIFEST + UNFINISHED:
                raise self._foreign(path.name)

    def _foreign(self, name: str) -> ConfigurationError:
        return ConfigurationError(
            f"{str(self.folder)!r} holds {name!r}, which this version of batch did not write; choose an "
            "output folder that is new or empty"
        )

    def _start(self) -> None:
        """Write the manifest's first line, all of it or nothing."""
        path = self.folder / (MANIFEST + UNFINISHED)
        with self.written(path):
            _write(path, "wb", json_line(self._header))
            path.rename(self.folder / MANIFEST)
            os.fsync(self._folder)

    def _remove_unfinished(self) -> None:
        """Remove our files that no line of the manifest counts."""
        counted = {part.part for part in getattr(self, "parts", [])}
        for path in self.folder.iterdir():
            if _OURS.fullmatch(path.name) and path.name not in counted:
                path.unlink()


def _write(path: Path, mode: str, contents: bytes) -> None:
    with path.open(mode) as file:
        file.write(contents)
        file.flush()
        os.fsync(file.fileno())


def _object(line: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}
