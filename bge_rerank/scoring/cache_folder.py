"""`FolderCache`: scores in one file of fixed slots, which is safe even if the file was tampered with.

The file is a header and pages. A page is a row of records, newest first:

    key (32 bytes) | logit (float64, little-endian) | checksum of both (BLAKE2b, 8 bytes)

A key's first bytes choose its page. The file holds no settings, no schema and no file names that a reader
would follow. A database is riskier: SQLite, for example, deletes the file that a planted journal names.

Nothing is locked. So no process waits for another, or for a thread that a fork lost. If two processes write
to a page at the same time, one of the records may be lost. A half-written record has a wrong checksum. Both
count as missing.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import stat
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bge_rerank.errors import ConfigurationError
from bge_rerank.logs import Warnings

logger = logging.getLogger(__name__)

FILE = "scores.bge_rerank"
SIZE_LIMIT = 2**26
"""The size of the file in bytes, enough for 1.4 million scores."""
HEADER = b"bge-rerank scores, format 1\n"
PAGE, KEY, RECORD = 4096, 32, 48
"""Sizes in bytes. A page is as large as a memory page of most systems."""

_OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


class FolderCache:
    """A cache in a folder that several processes may share. It drops the oldest logits of a page first.

    Keys have 32 bytes, as `score_key` makes them. Damaged records count as missing. If the file fails later,
    for example on a full disk, the cache logs it and the scores are computed. The first failure is logged at
    WARNING level, repeats at INFO level.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     FolderCache(Path(folder)).put({bytes(32): 0.5})
    ...     FolderCache(Path(folder)).get([bytes(32)]) == {bytes(32): 0.5}
    True
    """

    def __init__(self, folder: Path, size_limit: int = SIZE_LIMIT) -> None:
        """Open the cache in a folder, or make the folder, readable by this user only.

        Args:
            folder: The folder of the cache's file.
            size_limit: The largest size of the file in bytes.

        Raises:
            ConfigurationError: The folder cannot be opened or written, or has another file of that name.
        """
        self.path = folder / FILE
        self._warn = Warnings(logger)
        self._pages = max(size_limit // PAGE - 1, 1)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._file():
                pass
        except OSError as error:
            raise ConfigurationError(
                f"score_cache is {str(folder)!r}, which cannot be opened or written ({error}); "
                "pass a folder of your own, 'memory', or None for no cache"
            ) from error

    def get(self, keys: Sequence[bytes]) -> dict[bytes, float]:
        """Return the logits of the keys that the cache has."""
        logits: dict[bytes, float] = {}
        with self._faults_logged(), self._file() as file:
            for key in keys:
                file.seek(self._place(key))
                logit = _found(file.read(PAGE), key)
                if logit is not None:
                    logits[key] = logit
        return logits

    def put(self, logits: Mapping[bytes, float]) -> None:
        """Add logits. Each replaces the oldest of its page if the page is full."""
        with self._faults_logged(), self._file() as file:
            for key, logit in logits.items():
                file.seek(self._place(key))
                page = _with(file.read(PAGE), key, logit)
                file.seek(self._place(key))
                file.write(page)

    def _place(self, key: bytes) -> int:
        """Return the offset of a key's page in bytes. The first page is the header."""
        return PAGE * (1 + int.from_bytes(key[:8], "little") % self._pages)

    @contextmanager
    def _file(self) -> Iterator[BinaryIO]:
        """Open the file, or start a new one. Each call opens it, so threads and forks share no handle.

        Raises:
            OSError: The file cannot be opened, or is not a cache's.
        """
        with os.fdopen(os.open(self.path, _OPEN, 0o600), "r+b", buffering=0) as file:
            status = os.fstat(file.fileno())
            # A second hard link may be a file of somebody else, which must not change.
            if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
                raise OSError(
                    f"{str(self.path)!r} is not a regular file, or has hard links; remove it"
                )
            header = file.read(len(HEADER))
            if header != HEADER:
                if not HEADER.startswith(header):
                    raise OSError(f"{str(self.path)!r} is not a score cache; remove it")
                file.seek(0)
                file.write(HEADER)
            yield file

    @contextmanager
    def _faults_logged(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._warn("failed", "the score cache in %s failed: %r", self.path.parent, error)


def _record(key: bytes, logit: float) -> bytes:
    """Return a record. Its checksum detects flipped bits, and mixtures of two records.

    >>> _record(b"k" * 32, 0.5).hex()[64:]
    '000000000000e03f6c167752b354785f'
    """
    fields = struct.pack(f"<{KEY}sd", key, logit)
    return fields + hashlib.blake2b(fields, digest_size=RECORD - len(fields)).digest()


def _found(page: bytes, key: bytes) -> float | None:
    """Return a key's logit; `None` if it is missing, damaged, or not finite."""
    start = page.find(key)
    record = page[start : start + RECORD]
    if start < 0 or len(record) < RECORD:
        return None
    (logit,) = struct.unpack_from("<d", record, KEY)
    return logit if math.isfinite(logit) and record == _record(key, logit) else None


def _with(page: bytes, key: bytes, logit: float) -> bytes:
    """Return a page with a new record in front. A full page loses its last record."""
    records = [page[start : start + RECORD] for start in range(0, len(page), RECORD)]
    others = [record for record in records if not record.startswith(key)]
    kept = b"".join([_record(key, logit), *others[: PAGE // RECORD - 1]])
    return kept.ljust(PAGE, b"\0")
