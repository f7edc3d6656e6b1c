"""The backends by name: which class scores, and which extra installs what it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from bge_rerank.config import ScorerConfig
from bge_rerank.errors import ConfigurationError
from bge_rerank.extras import needs_extra
from bge_rerank.types import Scorer


@dataclass(frozen=True, slots=True)
class Backend:
    """Where a backend's class lives and the extra that installs what it imports."""

    module: str
    class_name: str
    extra: str


BACKENDS = {
    "torch": Backend("bge_rerank.scorers.torch", "TorchScorer", extra="torch"),
    "flag": Backend("bge_rerank.scorers.flag", "FlagScorer", extra="flag"),
}
"""Each class takes a `ScorerConfig` whose backend is decided, and loads the weights."""


def check_backend(name: str) -> None:
    """Refuse a backend that does not exist.

    >>> check_backend("tensorflow")
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: unknown backend 'tensorflow'; choose one of auto, flag, torch
    """
    known = sorted(["auto", *BACKENDS])
    if name not in known:
        raise ConfigurationError(f"unknown backend {name!r}; choose one of {', '.join(known)}")


def scorer_class(name: str) -> Callable[[ScorerConfig], Scorer]:
    """Import the class of a backend.

    Raises:
        MissingDependencyError: Something that it imports is not installed.
    """
    backend = BACKENDS[name]
    with needs_extra(backend.extra, f"the {name!r} backend"):
        module = import_module(backend.module)
    constructor: Callable[[ScorerConfig], Scorer] = getattr(module, backend.class_name)
    return constructor
