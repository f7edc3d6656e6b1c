"""`Job`: the output folder of a batch. It says which rows are done, and keeps each of them exactly once.

- `part-000000.jsonl` or `.parquet`, and so on: the rows with their scores. A part appears when it is whole.
- `errors.jsonl`: the rows that cannot be scored.
- `manifest.jsonl`: the settings, and the parts that are done.

A part that the manifest does not name does not count: the next run removes it and its errors, and scores
its rows again. Part and errors are on the disk before the manifest names the part.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from bge_rerank.batch.manifest import UNFINISHED, Manifest, check_size, written
from bge_rerank.batch.records import Counts, PartRecord
from bge_rerank.batch.rows import Failure
from bge_rerank.errors import ConfigurationError
from bge_rerank.models.json_lines import json_line

ERRORS = "errors.jsonl"
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
        with written(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._locked = _locked(folder)
        try:
            self._manifest = Manifest(folder, settings)
            self.parts = self._manifest.open()
            with written(folder):
                self._errors = self._opened_errors()
                self._remove_unfinished()
        except BaseException:
            os.close(self._locked)
            raise

    @property
    def done(self) -> Counts:
        """The counts of the rows that are done."""
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
        with written(self.folder / ERRORS):
            self._errors.write(json_line(line | {"reason": failure.reason}))

    def commit(self, part: Path | None, file: int, row: int, counts: Counts) -> None:
        """Count a part as done; it and its errors are on the disk when this returns.

        Args:
            part: Its temporary path; `None` if none of its rows could be scored.
            file: The position of the input file, from 0.
            row: The number of its last row.
            counts: The counts of its rows.
        """
        with written(self.folder / ERRORS):
            self._errors.flush()
            os.fsync(self._errors.fileno())
        name, size = None, 0
        with written(self.folder):
            if part is not None:
                name, size = part.stem, part.stat().st_size
                part.rename(part.with_suffix(""))
            os.fsync(self._locked)
        record = PartRecord(name, size, file, row, counts, self._errors.tell())
        self._manifest.add(record)
        self.parts.append(record)

    def close(self) -> None:
        """Close the folder, without an unfinished part.

        A part with its name stays: if the manifest could not be written, only the next run can say whether
        the part counts.
        """
        with suppress(OSError):  # on a full disk, the last errors do not fit
            self._errors.close()
        for path in self.folder.glob(f"part-*{UNFINISHED}"):
            path.unlink(missing_ok=True)
        os.close(self._locked)

    def _opened_errors(self) -> IO[bytes]:
        """Open the file of errors without those after the last part."""
        path = self.folder / ERRORS
        size = self.parts[-1].errors_size if self.parts else 0
        if size:
            check_size(path, size)
        path.touch()
        os.truncate(path, size)
        return path.open("ab")

    def _remove_unfinished(self) -> None:
        """Remove our files that the manifest does not count."""
        counted = {part.part for part in self.parts}
        for path in self.folder.iterdir():
            if _OURS.fullmatch(path.name) and path.name not in counted:
                path.unlink()


def _locked(folder: Path) -> int:
    """Return an open folder that no other process can lock until it is closed or this process ends."""
    try:
        import fcntl
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "a batch cannot lock its output folder on this system; run it on Linux or macOS"
        ) from error
    with written(folder):
        opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(opened)
        raise ConfigurationError(
            f"another process writes a batch into {str(folder)!r}; wait for it, or choose another output"
        ) from error
    return opened
