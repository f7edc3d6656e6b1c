"""`ScoredBy`: what gave scores. Only where it is the same do two scores compare."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.registry import asks_server
from bge_rerank.scoring.cache import CachedScorer
from bge_rerank.scoring.gathering import GatheringScorer
from bge_rerank.scoring.loading import LazyScorer
from bge_rerank.types import Scorer

logger = logging.getLogger(__name__)

MAIN = "main"
"""The revision where none was asked for: the hub's name for it, and what folders are given too."""


@dataclass(frozen=True, slots=True)
class ScoredBy:
    """A model and how it is run; `None` is what is not known, as most of it is with a server.

    Attributes:
        model_name: As it was asked for; of an export, the model that it was made of.
        revision: A branch, tag or commit; `"main"` where none was asked for.
        precision: In what it computes: `"float32"`, `"bfloat16"`, `"float16"`, `"int8"`.
        max_length: The longest pair in tokens.
    """

    model_name: str | None = None
    revision: str | None = None
    precision: str | None = None
    max_length: int | None = None


def scored_by(scorer: Scorer) -> ScoredBy:
    """Say what gives a scorer's scores. The weights of a `LazyScorer` are loaded for it.

    A scorer of your own is asked for attributes of the same names as those of `ScoredBy`. Of a
    server only what it is asked for is known: the name of the model, and `max_length` if it is set.

    Raises:
        ModelLoadError: The model could not be loaded.

    >>> scored_by(LazyScorer(ScorerConfig("m", "tei", base_url="http://host", max_length=512)))
    ScoredBy(model_name='m', revision=None, precision=None, max_length=512)
    """
    innermost = _innermost(scorer)
    config = getattr(innermost, "config", None)
    if not isinstance(config, ScorerConfig):
        return ScoredBy(**{name: getattr(innermost, name, None) for name in _NAMES})
    if asks_server(config.backend):
        return ScoredBy(config.model_name, max_length=config.max_length)
    return ScoredBy(
        getattr(innermost, "source_model", config.model_name),
        getattr(innermost, "source_revision", config.revision) or MAIN,
        getattr(innermost, "precision", None),
        getattr(innermost, "max_length", None),
    )


_NAMES = tuple(asdict(ScoredBy()))


def differences(expected: ScoredBy, actual: ScoredBy) -> dict[str, tuple[Any, Any]]:
    """Return what differs, as expected and as it is, by name; what is not known does not differ.

    >>> differences(ScoredBy("a", "main", "int8"), ScoredBy("b", None, "int8"))
    {'model_name': ('a', 'b')}
    """
    both = {name: (getattr(expected, name), getattr(actual, name)) for name in _NAMES}
    return {
        name: (wanted, found)
        for name, (wanted, found) in both.items()
        if None not in (wanted, found) and wanted != found
    }


def not_compared(expected: ScoredBy, actual: ScoredBy) -> list[str]:
    """Return the names of what one of them does not know.

    >>> not_compared(ScoredBy("a", "main", "int8", 512), ScoredBy("a", max_length=512))
    ['revision', 'precision']
    """
    return [name for name in _NAMES if None in (getattr(expected, name), getattr(actual, name))]


@cache
def warn_of_what_is_not_compared(what: str, expected: ScoredBy, actual: ScoredBy) -> None:
    """Log a warning, once for the same, where something of a scorer could not be compared."""
    unknown = not_compared(expected, actual)
    if unknown:
        compared = [name for name in _NAMES if name not in unknown]
        logger.warning(
            "%s: %s not compared, because the scorer or the file does not tell; compared: %s",
            what,
            ", ".join(unknown),
            ", ".join(compared) or "nothing",
        )


def _innermost(scorer: Scorer) -> Scorer:
    """Return what computes, behind whatever loads it, gathers for it or keeps its scores."""
    while isinstance(scorer, LazyScorer | CachedScorer | GatheringScorer):
        scorer = scorer.loaded() if isinstance(scorer, LazyScorer) else scorer.scorer
    return scorer
