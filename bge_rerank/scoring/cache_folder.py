"""`FolderCache`: scores in a folder, through diskcache without its pickle."""

from __future__ import annotations

import logging
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diskcache

from bge_rerank.errors import ConfigurationError

logger = logging.getLogger(__name__)

SIZE_LIMIT = 2**28
"""Bytes of a folder: more than a million scores, at 150 bytes each."""
SECONDS_FOR_THE_LOCK = 10
"""How long a process waits for another that writes."""

_FAULTS = (OSError, sqlite3.Error, diskcache.Timeout)


class FolderCache:
    """Logits in a folder that several processes may share, the oldest going first.

    Keys and logits are all that the folder holds. Whatever else is found there, a pickle say, is
    left unread and counts as missing. A folder that fails after it was opened, on a full disk say,
    is logged as a warning: its scores are computed.
    """

    def __init__(self, folder: Path, size_limit: int = SIZE_LIMIT) -> None:
        """Open a folder, or make it.

        Raises:
            ConfigurationError: It cannot be opened or written.
        """
        try:
            self._cache = diskcache.Cache(
                str(folder),
                timeout=SECONDS_FOR_THE_LOCK,
                disk=ScoreDisk,
                size_limit=size_limit,
                eviction_policy="least-recently-stored",
                cull_limit=0,
            )
        except _FAULTS as error:
            raise ConfigurationError(
                f"score_cache is {str(folder)!r}, which cannot be opened or written ({error}); "
                "give a folder of your own, 'memory', or None for no cache"
            ) from error

    def get(self, keys: Sequence[bytes]) -> dict[bytes, float]:
        """Return the logits of those keys that are there."""
        logits: dict[bytes, float] = {}
        with self._faults_logged():
            for key in keys:
                logit = self._cache.get(key)
                if logit is not None:
                    logits[key] = logit
        return logits

    def put(self, logits: Mapping[bytes, float]) -> None:
        """Keep logits, and let the oldest go where the folder grows too large."""
        with self._faults_logged():
            with self._cache.transact():
                for key, logit in logits.items():
                    self._cache.set(key, logit)
            if self._cache.volume() > self._cache.size_limit:
                self._cache.cull()

    @contextmanager
    def _faults_logged(self) -> Iterator[None]:
        try:
            yield
        except _FAULTS as error:
            logger.warning("the score cache in %s failed: %r", self._cache.directory, error)


class ScoreDisk(diskcache.Disk):  # type: ignore[misc]
    """Stores bytes as keys and numbers as values, and can neither write nor read a pickle."""

    def put(self, key: bytes) -> tuple[memoryview, bool]:
        """Return a key as the database takes it."""
        return sqlite3.Binary(key), True

    def get(self, key: bytes, raw: bool) -> bytes:  # noqa: ARG002, FBT001 - diskcache's signature
        """Return a key that the database gave, as it is."""
        return bytes(key)

    def store(self, value: float, read: bool, key: Any = None) -> tuple[int, int, None, float]:  # noqa: ARG002, FBT001
        """Return a value as the database takes it."""
        return 0, diskcache.core.MODE_RAW, None, float(value)

    def fetch(self, mode: int, filename: str | None, value: object, read: bool) -> float:  # noqa: ARG002, FBT001
        """Return the value of a row.

        Raises:
            OSError: It is no finite number; diskcache takes the row for a missing one.
        """
        if (
            mode != diskcache.core.MODE_RAW
            or not isinstance(value, float)
            or not math.isfinite(value)
        ):
            raise OSError("the row holds no score")
        return value
