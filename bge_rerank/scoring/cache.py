"""`CachedScorer`: look up the scores of pairs that were scored before, in memory or in a folder."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Protocol

from bge_rerank.backends.forks import ForkableLock
from bge_rerank.errors import ConfigurationError
from bge_rerank.extras import needs_extra
from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.files import M3_FILES, MODULE_FILES, model_folder
from bge_rerank.models.registry import asks_server
from bge_rerank.scoring.asking import ascore_with, logit_by_pair
from bge_rerank.scoring.cache_folder import FolderCache
from bge_rerank.scoring.identity import Wrapper
from bge_rerank.types import Pair, Scorer

MEMORY_SCORES = 100_000
"""The most scores in the cache `"memory"`. New scores replace the least recently used ones."""

GRAPH_FILES = ("*.onnx*", "onnx/*", "openvino*", "openvino/*")
"""The files of exported graphs, in all layouts."""


class ScoreCache(Protocol):
    """A cache of logits by key, of bounded size. Threads can share it."""

    def get(self, keys: Sequence[bytes]) -> dict[bytes, float]:
        """Return the logits of the keys that the cache has."""
        ...

    def put(self, logits: Mapping[bytes, float]) -> None:
        """Add logits, and drop others if the cache is full."""
        ...


class MemoryCache:
    """A cache in this process's memory, which drops the least recently used logits first.

    >>> cache = MemoryCache(size=2)
    >>> cache.put({b"a": 0.5, b"b": 1.5, b"c": 2.5})
    >>> cache.get([b"a", b"b", b"c"])
    {b'b': 1.5, b'c': 2.5}
    """

    def __init__(self, size: int = MEMORY_SCORES) -> None:
        """Make an empty cache for `size` logits.

        Raises:
            MissingDependencyError: `cachetools` is not installed.
        """
        with needs_extra("cache", "score_cache='memory'"):
            from cachetools import LRUCache
        self._logits: LRUCache[bytes, float] = LRUCache(size)
        self._lock = ForkableLock()

    def get(self, keys: Sequence[bytes]) -> dict[bytes, float]:
        """Return the logits of the keys that the cache has."""
        with self._lock:
            return {key: self._logits[key] for key in keys if key in self._logits}

    def put(self, logits: Mapping[bytes, float]) -> None:
        """Add logits, and drop others if the cache is full."""
        with self._lock:
            self._logits.update(logits)


class CachedScorer(Wrapper):
    """A scorer with a cache. It asks the scorer inside, in one call, for the pairs that the cache lacks.

    Cached logits are exactly those that the scorer returned. NaN and infinities are not cached.

    Attributes:
        hits: The pairs that the cache had, since this object was made. A pair twice in a call counts once.
        misses: The pairs that the cache lacked.

    >>> class Lengths:
    ...     def score(self, pairs, /):
    ...         print(f"{len(pairs)} pairs")
    ...         return [float(len(passage)) for _, passage in pairs]
    >>> scorer = CachedScorer(Lengths(), MemoryCache(), ["Lengths", 1])
    >>> scorer.score([("q", "a")])
    1 pairs
    [1.0]
    >>> scorer.score([("q", "a"), ("q", "bb"), ("q", "ccc")])
    2 pairs
    [1.0, 2.0, 3.0]
    >>> scorer.hits, scorer.misses
    (1, 3)
    """

    keeps_scores = True
    """The cache keeps scores, so no pair is computed twice."""

    def __init__(self, scorer: Scorer, cache: ScoreCache, key_prefix: Sequence[object]) -> None:
        """Put a cache in front of a scorer.

        Args:
            scorer: The scorer to ask for missing pairs.
            cache: The cache, which several scorers may share.
            key_prefix: Tells this scorer's logits from those of others; values that JSON can encode.
        """
        super().__init__(scorer)
        self._cache = cache
        self._key_prefix = list(key_prefix)
        self.hits = self.misses = 0
        self._counting = ForkableLock()

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        """Return the logit of each pair, in input order, from the cache or from the scorer.

        Raises:
            ScoringError: The scorer failed, or returned a wrong number of scores.
        """
        known = self._look_up(pairs)
        missing = _missing(pairs, known)
        if missing:
            known |= self._keep(missing, self.scorer.score(missing))
        return [known[pair] for pair in pairs]

    async def ascore(self, pairs: Sequence[Pair], /) -> list[float]:
        """Return what `score` returns, without blocking the event loop."""
        known = await asyncio.to_thread(self._look_up, pairs)
        missing = _missing(pairs, known)
        if missing:
            logits = await ascore_with(self.scorer, missing)
            known |= await asyncio.to_thread(self._keep, missing, logits)
        return [known[pair] for pair in pairs]

    def _look_up(self, pairs: Sequence[Pair]) -> dict[Pair, float]:
        keys = {pair: score_key(self._key_prefix, pair) for pair in pairs}
        logits = self._cache.get(list(keys.values()))
        with self._counting:
            self.hits += len(logits)
            self.misses += len(keys) - len(logits)
        return {pair: logits[key] for pair, key in keys.items() if key in logits}

    def _keep(self, pairs: Sequence[Pair], logits: Sequence[float]) -> dict[Pair, float]:
        fresh = logit_by_pair(pairs, logits)
        self._cache.put(
            {
                score_key(self._key_prefix, pair): logit
                for pair, logit in fresh.items()
                if math.isfinite(logit)
            }
        )
        return fresh


def with_cache(scorer: Scorer, config: ScorerConfig) -> Scorer:
    """Put the cache of a configuration in front of its loaded scorer.

    Args:
        scorer: The loaded scorer.
        config: The configuration, whose backend is not `"auto"`.

    Raises:
        ConfigurationError: The cache's folder cannot be opened or written.
        MissingDependencyError: `score_cache` is `"memory"`, and the extra `cache` is not installed.
    """
    if config.score_cache is None:
        return scorer
    return CachedScorer(scorer, open_cache(config.score_cache), key_prefix(scorer, config))


def open_cache(place: str) -> ScoreCache:
    """Return the cache in `"memory"` or in a folder. All callers share one object for each place.

    Raises:
        ConfigurationError: The folder cannot be opened or written.
        MissingDependencyError: The place is `"memory"`, and the extra `cache` is not installed.

    >>> open_cache("memory") is open_cache("memory")
    True
    """
    if not place:
        raise ConfigurationError("score_cache is ''; pass a folder, 'memory', or None for no cache")
    return _opened(None if place == "memory" else Path(place).expanduser().resolve())


def score_key(prefix: Sequence[object], pair: Pair) -> bytes:
    """Return the key of a pair's logit: a SHA-256 hash, which does not reveal the texts.

    >>> score_key(["mini"], ("tides", "The Moon.")).hex()[:8]
    'a559eb27'
    """
    return hashlib.sha256(json.dumps([*prefix, *pair]).encode()).digest()


def key_prefix(scorer: Scorer, config: ScorerConfig) -> list[object]:
    """Return what a logit depends on besides its pair: the model, its files, and how it runs."""
    if asks_server(config.backend):
        return [config.backend, config.base_url, config.model_name, config.max_length]
    # The model was just loaded, so its files are in the cache and need no download.
    folder = model_folder(replace(config, local_files_only=True), ["config.json"])
    return [
        config.model_name,
        config.revision,
        fingerprint(folder),
        config.backend,
        getattr(scorer, "precision", config.dtype),
        getattr(scorer, "max_length", config.max_length),
        config.cutoff_layers,
        config.special_tokens_in_text,
        config.prompt,
        str(getattr(scorer, "graph", "")),
    ]


def fingerprint(folder: Path) -> list[tuple[str, int, int]]:
    """Return name, size in bytes and time in ns of each file in a folder that affects scores."""
    modules = [f"*/{pattern}" for pattern in MODULE_FILES]
    patterns = (*MODULE_FILES, *modules, *M3_FILES, *GRAPH_FILES, "*.py")
    found = {path for pattern in patterns for path in folder.glob(pattern)}
    paths = {path for path in found if path.is_file()}
    status = {path.relative_to(folder).as_posix(): path.stat() for path in paths}
    return sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in status.items())


def _missing(pairs: Sequence[Pair], known: Mapping[Pair, float]) -> list[Pair]:
    return [pair for pair in dict.fromkeys(pairs) if pair not in known]


@cache
def _opened(folder: Path | None) -> ScoreCache:
    """Open the cache in a folder, or in memory."""
    if folder is None:
        return MemoryCache()
    return FolderCache(folder)
