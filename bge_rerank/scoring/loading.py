"""`load_scorer`: weights on first use, once a process for one configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bge_rerank.backends.encoder.pool import ForwardPool
from bge_rerank.backends.http.checks import checked_server
from bge_rerank.errors import ConfigurationError
from bge_rerank.models.auto_backend import choose_backend
from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.options import takes
from bge_rerank.models.registry import READS_PROMPTS, asks_server, scorer_class
from bge_rerank.scoring.asking import ascore_with
from bge_rerank.scoring.cache import with_cache
from bge_rerank.scoring.gathering import GatheringScorer
from bge_rerank.types import Pair, Scorer, Span

_loaded: dict[ScorerConfig, Scorer] = {}
_gathering: dict[ScorerConfig, GatheringScorer] = {}
_loading: ForwardPool[ScorerConfig, None] = ForwardPool(
    [lambda config: _load(config)]  # noqa: PLW0108 - it is defined below
)
"""Loads one at a time, on a thread of its own: a forked child hangs where torch computes on a thread of the
parent's. The thread stays: without it, OpenMP lets the threads of small batches spin ten times as long."""


@takes(ScorerConfig)
def load_scorer(*model: Any, **options: Any) -> LazyScorer:
    """Return a scorer whose weights are loaded, or whose server is asked, when it first scores.

    All scorers of one configuration share one set of weights, whichever thread or adapter asks first, and
    the passes of an event loop. The parameters are the options of `ScorerConfig`.

    Raises:
        ConfigurationError: An option cannot work. A model that cannot be found shows on first use.

    >>> load_scorer("mini").score([("what causes tides", "The Moon's gravity raises the tides.")])
    [...]
    """
    return LazyScorer(checked_server(ScorerConfig(*model, **options)))


@dataclass(frozen=True, repr=False)
class LazyScorer:
    """A configuration that becomes a loaded scorer when it is asked to score.

    It holds no weights itself, so it is cheap to copy, to compare and to pickle.
    """

    config: ScorerConfig

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        """Score pairs as `Scorer.score` does; the first call loads the weights.

        Raises:
            ModelLoadError: The model could not be loaded.
            MissingDependencyError: A package of the backend is not installed.
            ScoringError: The backend failed.
        """
        return self.loaded().score(pairs) if pairs else []

    async def ascore(self, pairs: Sequence[Pair], /) -> list[float]:
        """Score as `score` does, without blocking the event loop.

        Calls that come within `batch_wait_ms` share a pass, whichever `LazyScorer` of an equal
        configuration they come through. A server gathers by itself: it is asked at once.
        """
        if asks_server(self.config.backend):
            return await _LoadedOnFirstPass(self).ascore(pairs) if pairs else []
        if self.config not in _gathering:
            gathering = GatheringScorer(_LoadedOnFirstPass(self), self.config.batch_wait_ms)
            # The first of several threads stays.
            _gathering.setdefault(self.config, gathering)
        return await _gathering[self.config].ascore(pairs)

    @property
    def model_name(self) -> str:
        """The model's name, as asked for."""
        return self.config.model_name

    @property
    def max_length(self) -> int | None:
        """The longest pair in tokens; `None` before the weights are loaded, and for servers."""
        return self._told("max_length")

    @property
    def precision(self) -> str | None:
        """In what the model computes; `None` before the weights are loaded, and for servers."""
        return self._told("precision")

    @property
    def max_batch_tokens(self) -> int | None:
        """The token budget of a batch; `None` before the weights are loaded, or without batches."""
        return self._told("max_batch_tokens")

    @property
    def takes_turns(self) -> bool:
        """Whether calls may run at the same time without holding each other up; likely, before loading."""
        return self._told("takes_turns") is not False

    @property
    def tokens_cut(self) -> Callable[[Sequence[Pair]], list[int]] | None:
        """Counts the tokens cut from each pair; `None` before loading, or if the backend cannot."""
        return self._told("tokens_cut")

    @property
    def keeps_scores(self) -> bool:
        """Whether a pair that was scored before is looked up."""
        return self.config.score_cache is not None

    def windows(self, query: str, texts: Sequence[str], tokens: int, /) -> list[list[Span]]:
        """Cut each text into windows that make pairs of at most `tokens` tokens with the query.

        The first call loads the weights, which bring their tokenizer.
        """
        loaded: Any = self.loaded()
        spans: list[list[Span]] = loaded.windows(query, texts, tokens)
        return spans

    def loaded(self) -> Scorer:
        """Return the process's one scorer for this configuration, loading it if need be.

        With `score_cache`, it is the backend's with the cache in front of it.
        """
        if self.config not in _loaded:
            list(_loading.run([self.config]))
        return _loaded[self.config]

    def _told(self, name: str) -> Any | None:
        """Return an attribute of the loaded scorer; `None` before, and where it has none."""
        return getattr(_loaded.get(self.config), name, None)

    def __repr__(self) -> str:
        return f"LazyScorer({self.config})"


class _LoadedOnFirstPass:
    """What calls on event loops gather for: the calls that wait for the weights share a pass too."""

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
    """Load a configuration; those that differ only in what lies in front of the weights share them."""
    if config in _loaded:
        return
    backend = config.backend if config.backend != "auto" else choose_backend(config)
    if config.prompt is not None and backend != READS_PROMPTS:
        raise ConfigurationError(
            f"the {backend!r} backend reads no prompt; leave prompt out, or use backend={READS_PROMPTS!r}"
        )
    decided = replace(config, backend=backend)
    weights = replace(decided, batch_wait_ms=0.0, score_cache=None)
    if weights not in _loaded:
        _loaded[weights] = scorer_class(backend)(weights)
    _loaded[config] = with_cache(_loaded[weights], decided)
