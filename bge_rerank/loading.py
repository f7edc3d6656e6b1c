"""`load_scorer`: weights on first use, once a process for one configuration."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace

from bge_rerank.config import DEFAULT_MODEL, Dtype, ScorerConfig
from bge_rerank.model_files import read_config
from bge_rerank.registry import check_backend, scorer_class
from bge_rerank.types import Pair, Scorer

logger = logging.getLogger(__name__)

_loaded: dict[ScorerConfig, Scorer] = {}
_loading = threading.Lock()


def load_scorer(
    model_name: str = DEFAULT_MODEL,
    backend: str = "auto",
    *,
    revision: str | None = None,
    cache_dir: str | None = None,
    local_files_only: bool = False,
    device: str | None = None,
    dtype: Dtype = "auto",
    max_length: int | None = None,
    max_batch_tokens: int | None = None,
    trust_remote_code: bool = False,
    cutoff_layers: Sequence[int] | None = None,
) -> LazyScorer:
    """Return a scorer whose weights are loaded when it is first asked to score.

    All scorers of one configuration share one set of weights, whichever thread or adapter asks
    first. The parameters are described at `bge_rerank.config.ScorerConfig`.

    Raises:
        ConfigurationError: There is no such backend. Everything else shows on first use.

    >>> load_scorer("mini").score([("what causes tides", "The Moon's gravity raises the tides.")])
    [...]
    """
    check_backend(backend)
    return LazyScorer(
        ScorerConfig(
            model_name=model_name,
            backend=backend,
            revision=revision,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            device=device,
            dtype=dtype,
            max_length=max_length,
            max_batch_tokens=max_batch_tokens,
            trust_remote_code=trust_remote_code,
            cutoff_layers=None if cutoff_layers is None else tuple(cutoff_layers),
        )
    )


class LazyScorer:
    """A configuration that becomes a loaded scorer when it is asked to score.

    It holds no weights itself, so it is cheap to copy, to compare and to pickle.
    """

    def __init__(self, config: ScorerConfig) -> None:
        """Keep the configuration; nothing is loaded."""
        self.config = config

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        """Score pairs as `Scorer.score` does; the first call loads the weights.

        Raises:
            ModelLoadError: The model could not be loaded.
            MissingDependencyError: A package of the backend is not installed.
            ScoringError: The backend failed.
        """
        return self.loaded().score(pairs) if pairs else []

    def loaded(self) -> Scorer:
        """Return the process's one scorer for this configuration, loading it if need be."""
        if self.config not in _loaded:
            with _loading:
                _load(self.config)
        return _loaded[self.config]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LazyScorer) and self.config == other.config

    def __hash__(self) -> int:
        return hash(self.config)

    def __repr__(self) -> str:
        return f"LazyScorer({self.config})"


def _load(config: ScorerConfig) -> None:
    """Load a configuration, and share the weights where "auto" means a backend already loaded."""
    if config in _loaded:
        return
    backend = config.backend if config.backend != "auto" else _backend_for(config)
    decided = replace(config, backend=backend)
    if decided not in _loaded:
        _loaded[decided] = scorer_class(backend)(decided)
    _loaded[config] = _loaded[decided]


def _backend_for(config: ScorerConfig) -> str:
    architecture = read_config(config).architecture
    backend = "torch" if architecture == "encoder" else "flag"
    logger.info("%s is of kind %s: backend %s", config.model_name, architecture, backend)
    return backend
