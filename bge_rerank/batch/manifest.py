"""`Manifest`: the file that says what a batch is, and which parts of it are done.

The first line holds the settings. Each further line holds a part, and is written after the part is on the
disk. A killed process can leave an unfinished last line, which does not count.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bge_rerank.batch.records import PartRecord
from bge_rerank.errors import ConfigurationError
from bge_rerank.models.json_lines import differing, json_line, whole_lines

if TYPE_CHECKING:
    from pydantic import TypeAdapter

NAME = "manifest.jsonl"
FORMAT = 1
"""The version of the file's layout."""
UNFINISHED = ".tmp"
"""The end of the name of a file that is not whole yet."""
MOST_SHOWN = 3
"""The most changed settings that a message names."""


class Manifest:
    """The manifest in a folder."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        """Take the folder, and the settings of the batch as plain values."""
        self._folder = folder
        self._path = folder / NAME
        self._header = json.loads(json.dumps({"format": FORMAT, "settings": settings}))

    def open(self) -> list[PartRecord]:
        """Return the parts that are done; start the file in an empty folder.

        Raises:
            ConfigurationError: The folder holds something else, a batch with other settings, or a part
                that was changed. Nothing in it was changed by this call then.
        """
        if not self._path.exists():
            self._check_empty()
            self._start()
            return []
        whole = whole_lines(self._path)
        header, *lines = self._path.read_bytes()[:whole].splitlines() or [b""]
        changed = self._changed(header)
        if changed and not lines:
            self._start()
            return []
        if changed:
            raise ConfigurationError(
                f"{str(self._folder)!r} holds a batch with other settings "
                f"({'; '.join(changed[:MOST_SHOWN])}); use the same settings and inputs, or choose another output"
            )
        parts = [self._record(line) for line in lines]
        with written(self._path):
            os.truncate(self._path, whole)
        return parts

    def add(self, record: PartRecord) -> None:
        """Count a part. Its line is on the disk when this returns."""
        with written(self._path):
            _write(self._path, "ab", json_line(asdict(record)))

    def _start(self) -> None:
        """Write the first line, all of it or nothing."""
        path = self._path.with_name(NAME + UNFINISHED)
        with written(path):
            _write(path, "wb", json_line(self._header))
            path.rename(self._path)

    def _changed(self, header: bytes) -> list[str]:
        """Say which settings differ."""
        there = _object(header)
        if there.get("format") != FORMAT or not isinstance(there.get("settings"), dict):
            raise self._foreign(NAME)
        return differing(there["settings"], self._header["settings"])

    def _record(self, line: bytes) -> PartRecord:
        """Return a part after a check that its file is there."""
        from pydantic import ValidationError

        try:
            record = _reader().validate_json(line, strict=True)
        except ValidationError as error:
            raise self._foreign(NAME) from error
        if record.part is not None:
            check_size(self._folder / record.part, record.size)
        return record

    def _check_empty(self) -> None:
        for path in self._folder.iterdir():
            if path.name != NAME + UNFINISHED:
                raise self._foreign(path.name)

    def _foreign(self, name: str) -> ConfigurationError:
        return ConfigurationError(
            f"{str(self._folder)!r} holds {name!r}, which this version of batch did not write; choose an "
            "output folder that is new or empty"
        )


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Name the file if the block cannot write it.

    Raises:
        ConfigurationError: The block raised an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {str(path)!r} ({error.strerror or error}); make room or allow writing, and run "
            "the same batch again: it continues after the last whole part"
        ) from error


def check_size(path: Path, least: int) -> None:
    """Refuse a file that is missing or smaller than it was.

    Raises:
        ConfigurationError: The file is missing or smaller.
    """
    if not path.is_file() or path.stat().st_size < least:
        raise ConfigurationError(
            f"{str(path)!r} is missing, or smaller than the batch wrote it; bring it back, or choose "
            "another output"
        )


def _write(path: Path, mode: str, contents: bytes) -> None:
    with path.open(mode) as file:
        file.write(contents)
        file.flush()
        os.fsync(file.fileno())


@cache
def _reader() -> TypeAdapter[PartRecord]:
    from pydantic import TypeAdapter

    return TypeAdapter(PartRecord)


def _object(line: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}
