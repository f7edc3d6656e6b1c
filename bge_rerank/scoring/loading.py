"""`load_scorer`: load a model's weights on first use, once in a process for each configuration."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from bge_rerank.backends.encoder.pool import ForwardPool
from bge_rerank.backends.encoder.tokens import TokensOf
from bge_rerank.backends.http.checks import checked_server
from bge_rerank.errors import ConfigurationError
from bge_rerank.extras import needs_extra
from bge_rerank.models.auto_backend import choose_backend
from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.export_cache import lacks_export
from bge_rerank.models.options import takes
from bge_rerank.models.registry import (
    RUNTIMES,
    asks_server,
    is_installed,
    readers,
    scorer_class,
)
from bge_rerank.scoring.asking import ascore_with
from bge_rerank.scoring.cache import with_cache
from bge_rerank.scoring.gathering import GatheringScorer
from bge_rerank.types import Pair, Scorer, Span

logger = logging.getLogger(__name__)

_loaded: dict[ScorerConfig, Scorer] = {}
_gathering: dict[ScorerConfig, GatheringScorer] = {}
_loading: ForwardPool[ScorerConfig, None] = ForwardPool(
    [lambda config: _load(config)]  # noqa: PLW0108 - it is defined below
)
"""Loads one model at a time, on its own thread, because a forked child hangs if torch computed on another
thread of the parent. The thread stays alive: without it, OpenMP's threads for small batches spin ten times as
long."""


@takes(ScorerConfig)
def load_scorer(*model: Any, **options: Any) -> LazyScorer:
    """Return a scorer, which loads its weights or asks its server when it first scores.

    Scorers of equal options share one set of weights in a process. On an event loop they also share passes.
    The parameters are the options of `ScorerConfig`.

    Raises:
        ConfigurationError: An option cannot work. A missing model raises `ModelLoadError` on first use.

    >>> scorer = load_scorer("mini")
    >>> texts = ["The Moon's gravity raises the tides.", "Bread rises on yeast."]
    >>> good, bad = scorer.score([("what causes tides", text) for text in texts])
    >>> good > bad
    True
    """
    return LazyScorer(checked_server(ScorerConfig(*model, **options)))


@dataclass(frozen=True, repr=False)
class LazyScorer:
    """A scorer that loads its weights when it first scores.

    It holds only its configuration, so it is cheap to copy, compare and pickle.
    """

    config: ScorerConfig

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        """Return the logit of each pair, in input order. The first call loads the weights.

        Raises:
            ModelLoadError: The model could not be loaded.
            MissingDependencyError: A package of the backend is not installed.
            ScoringError: The backend failed.
        """
        return self.loaded().score(pairs) if pairs else []

    async def ascore(self, pairs: Sequence[Pair], /) -> list[float]:
        """Return what `score` returns, without blocking the event loop.

        Calls within `batch_wait_ms` share a pass, even through several scorers of equal configuration.
        Servers gather calls themselves, so they are asked at once.
        """
        if asks_server(self.config.backend):
            return await _LoadedOnFirstPass(self).ascore(pairs) if pairs else []
        if self.config not in _gathering:
            gathering = GatheringScorer(_LoadedOnFirstPass(self), self.config.batch_wait_ms)
            # If several threads come here, they share the object of the first.
            _gathering.setdefault(self.config, gathering)
        return await _gathering[self.config].ascore(pairs)

    @property
    def model_name(self) -> str:
        """The model's name in the configuration."""
        return self.config.model_name

    @property
    def max_length(self) -> int | None:
        """The longest pair in tokens; `None` before the weights are loaded, and for servers."""
        return self._told("max_length")

    @property
    def precision(self) -> str | None:
        """The precision of numbers; `None` before the weights are loaded, and for servers."""
        return self._told("precision")

    @property
    def max_batch_tokens(self) -> int | None:
        """The token budget of a batch; `None` before the weights are loaded, or if the backend has none."""
        return self._told("max_batch_tokens")

    @property
    def takes_turns(self) -> bool:
        """Whether several calls can run at the same time; before loading, `True`."""
        return self._told("takes_turns") is not False

    @property
    def tokens_cut(self) -> Callable[[Sequence[Pair]], list[int]] | None:
        """A function that counts the truncated tokens of each pair; `None` before loading, or if missing."""
        return self._told("tokens_cut")

    @property
    def tokens_of(self) -> TokensOf | None:
        """A function that returns the tokens of texts; `None` before loading, or if missing."""
        return self._told("tokens_of")

    @property
    def keeps_scores(self) -> bool:
        """Whether the scorer has a cache."""
        return self.config.score_cache is not None

    def windows(self, query: str, texts: Sequence[str], tokens: int, /) -> list[list[Span]]:
        """Cut each text into windows that make pairs of at most `tokens` tokens with the query.

        The first call loads the weights and the tokenizer.
        """
        loaded: Any = self.loaded()
        spans: list[list[Span]] = loaded.windows(query, texts, tokens)
        return spans

    def loaded(self) -> Scorer:
        """Return the loaded scorer, which this process shares among equal configurations.

        With `score_cache`, the cache is in front of the backend's scorer.
        """
        if self.config not in _loaded:
            list(_loading.run([self.config]))
        return _loaded[self.config]

    def _told(self, name: str) -> Any | None:
        """Return an attribute of the loaded scorer; `None` before loading, or if it lacks the attribute."""
        return getattr(_loaded.get(self.config), name, None)

    def __repr__(self) -> str:
        return f"LazyScorer({self.config})"


class _LoadedOnFirstPass:
    """The scorer of a `GatheringScorer`, so that calls which wait for the weights share a pass."""

    def __init__(self, lazy: LazyScorer) -> None:
        self.score = lazy.score
        self._lazy = lazy

    @property
    def takes_turns(self) -> bool:
        return self._lazy.takes_turns

    @property
    def max_batch_tokens(self) -> int | None:
        return self._lazy.max_batch_tokens

    async def ascore(self, pairs: Sequence[Pair], /) -> list[float]:
        ready = self._lazy.config in _loaded
        scorer = self._lazy.loaded() if ready else await asyncio.to_thread(self._lazy.loaded)
        return list(await ascore_with(scorer, pairs))


def _load(config: ScorerConfig) -> None:
    """Load a configuration. Configurations that differ only in cache or waiting time share weights."""
    if config in _loaded:
        return
    backend = config.backend if config.backend != "auto" else choose_backend(config)
    decided = replace(config, backend=backend)
    _refuse_unread_options(decided)
    if backend in RUNTIMES and _has_only_int8(decided):
        decided = replace(decided, dtype="int8")
    weights = replace(decided, batch_wait_ms=0.0, score_cache=None)
    if weights not in _loaded:
        if backend in RUNTIMES and lacks_export(weights):
            _export(weights)
        _loaded[weights] = scorer_class(backend)(weights)
    _loaded[config] = with_cache(_loaded[weights], decided)


def _refuse_unread_options(config: ScorerConfig) -> None:
    for each in fields(config):
        reading = readers(each.name)
        if reading and config.backend not in reading and getattr(config, each.name) is not None:
            raise ConfigurationError(
                f"{each.name} has no effect in backend {config.backend!r}; leave it out, or use "
                f"backend={' or '.join(map(repr, reading))}"
            )


def _has_only_int8(config: ScorerConfig) -> bool:
    """Say whether a model has only an int8 graph, and torch, which exporting needs, is not installed."""
    if config.dtype != "auto" or is_installed("torch") or not lacks_export(config):
        return False
    found = not lacks_export(replace(config, dtype="int8"))
    if found:
        logger.info(
            "%s runs in int8: it has no other graph, and torch is not installed to export one",
            config.model_name,
        )
    return found


def _export(config: ScorerConfig) -> None:
    """Export a model that the backend cannot run as it is. This imports torch, so it is imported only here."""
    what = f"{config.model_name!r} has no graph for dtype={config.dtype!r}"
    if config.dtype == "auto" and not lacks_export(replace(config, dtype="int8")):
        what += ", only one that dtype='int8' runs"
    with needs_extra("export", f"{what}; exporting one"):
        from bge_rerank.export.cached import export_into_cache
    export_into_cache(config)
