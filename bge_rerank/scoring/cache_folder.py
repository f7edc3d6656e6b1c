"""`FolderCache`: scores in one file of fixed slots, which nothing in it can make do anything else.

The file is a header and pages. A page is a row of records, the last stored first:

    key (32 bytes) | logit (float64, little-endian) | checksum over both (BLAKE2b, 8 bytes)

A key's first bytes say which page it belongs to. Nothing else is ever read: no setting, no schema,
no file name. A database would be more than that: SQLite, say, deletes the file that a planted
journal names. Nothing is locked either, so that no process waits for another, or for a thread that
a fork left behind. Where two write to a page at once, one of the two records may be lost, and a
record that was half written has another checksum: both count as missing.
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

logger = logging.getLogger(__name__)

FILE = "scores.bge_rerank"
SIZE_LIMIT = 2**26
"""Bytes of the file: room for 1.4 million scores."""
HEADER = b"bge-rerank scores, format 1\n"
PAGE, KEY, RECORD = 4096, 32, 48
"""Bytes. A page is as large as most systems' own."""

_OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


class FolderCache:
    """Logits in a folder that several processes may share; of each page the oldest go first.

    Keys have 32 bytes, as `score_key` makes them. Damaged records count as missing. Where the file
    fails after it was opened, on a full disk say, a warning is logged and scores are computed.
    """

    def __init__(self, folder: Path, size_limit: int = SIZE_LIMIT) -> None:
        """Open a folder, or make one for this user alone. `size_limit` counts bytes.

        Raises:
            ConfigurationError: It cannot be opened or written, or holds another file of that name.
        """
        self.path = folder / FILE
        self._pages = max(size_limit // PAGE - 1, 1)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._file():
                pass
        except OSError as error:
            raise ConfigurationError(
                f"score_cache is {str(folder)!r}, which cannot be opened or written ({error}); "
                "give a folder of your own, 'memory', or None for no cache"
            ) from error

    def get(self, keys: Sequence[bytes]) -> dict[bytes, float]:
        """Return the logits of those keys that are there."""
        logits: dict[bytes, float] = {}
        with self._faults_logged(), self._file() as file:
            for key in keys:
                file.seek(self._place(key))
                logit = _found(file.read(PAGE), key)
                if logit is not None:
                    logits[key] = logit
        return logits

    def put(self, logits: Mapping[bytes, float]) -> None:
        """Keep logits, each in the place of the oldest of its page."""
        with self._faults_logged(), self._file() as file:
            for key, logit in logits.items():
                file.seek(self._place(key))
                page = _with(file.read(PAGE), key, logit)
                file.seek(self._place(key))
                file.write(page)

    def _place(self, key: bytes) -> int:
        """Return where a key's page begins, in bytes; the header has a page of its own."""
        return PAGE * (1 + int.from_bytes(key[:8], "little") % self._pages)

    @contextmanager
    def _file(self) -> Iterator[BinaryIO]:
        """Open the file, or begin it; each call has its own, so that threads and forks share none.

        Raises:
            OSError: It cannot be opened, or is not the file of a cache.
        """
        with os.fdopen(os.open(self.path, _OPEN, 0o600), "r+b", buffering=0) as file:
            status = os.fstat(file.fileno())
            # A file with a second name may be somebody's file, which must not be written to.
            if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
                raise OSError(f"{str(self.path)!r} is no file of its own; remove it")
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
            logger.warning("the score cache in %s failed: %r", self.path.parent, error)


def _record(key: bytes, logit: float) -> bytes:
    """Return a record, whose checksum tells flipped bits and halves of two records.

    >>> _record(b"k" * 32, 0.5).hex()[64:]
    '000000000000e03f6c167752b354785f'
    """
    fields = struct.pack(f"<{KEY}sd", key, logit)
    return fields + hashlib.blake2b(fields, digest_size=RECORD - len(fields)).digest()


def _found(page: bytes, key: bytes) -> float | None:
    """Return a key's logit; `None` where it is not there, damaged, or not finite."""
    start = page.find(key)
    record = page[start : start + RECORD]
    if start < 0 or len(record) < RECORD:
        return None
    (logit,) = struct.unpack_from("<d", record, KEY)
    return logit if math.isfinite(logit) and record == _record(key, logit) else None


def _with(page: bytes, key: bytes, logit: float) -> bytes:
    """Return a page with a record in front; the last one makes room."""
    records = [page[start : start + RECORD] for start in range(0, len(page), RECORD)]
    others = [record for record in records if not record.startswith(key)]
    kept = b"".join([_record(key, logit), *others[: PAGE // RECORD - 1]])
    return kept.ljust(PAGE, b"\0")
