"""What a scorer says of itself: through its wrappers (`Wrapper`), and for comparison (`ScoredBy`)."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.registry import asks_server
from bge_rerank.types import Scorer

logger = logging.getLogger(__name__)

MAIN = "main"
"""The revision where none was asked for: the hub's name for it, and what folders are given too."""


class Wrapper:
    """A scorer around another. The other one answers for every attribute that this one lacks.

    So a stack of wrappers has the name, the precision and the windows of the scorer inside,
    whatever their order. A wrapper scores by its own methods: `ascore` is not passed on.

    >>> class Lengths:
    ...     max_length = 512
    >>> Wrapper(Wrapper(Lengths())).max_length
    512
    """

    def __init__(self, scorer: Scorer) -> None:
        """Keep the scorer inside."""
        self.scorer = scorer

    if not TYPE_CHECKING:  # so that a type checker still finds misspelt names

        def __getattr__(self, name: str) -> Any:
            # While a copy is made it has no `scorer` yet, and must not look for one here.
            if name.startswith("_") or name in ("scorer", "score", "ascore"):
                raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
            return getattr(self.scorer, name)


def innermost(scorer: Scorer) -> Scorer:
    """Return the scorer inside all wrappers.

    >>> innermost(Wrapper(Wrapper("the scorer")))
    'the scorer'
    """
    while isinstance(scorer, Wrapper):
        scorer = scorer.scorer
    return scorer


def config_of(scorer: Scorer) -> ScorerConfig | None:
    """Return the configuration of a scorer of `load_scorer`; `None` of a scorer of your own."""
    config = getattr(scorer, "config", None)
    return config if isinstance(config, ScorerConfig) else None


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
    """Return the model that gives a scorer's scores, and how it runs. Loads the weights if need be.

    A scorer of your own may have the attributes of `ScoredBy`. Of a server, only the model's name
    and the configured `max_length` are known.

    Raises:
        ModelLoadError: The model could not be loaded.

    >>> from bge_rerank import load_scorer
    >>> scored_by(load_scorer("m", "tei", base_url="http://host", max_length=512))
    ScoredBy(model_name='m', revision=None, precision=None, max_length=512)
    """
    config = config_of(scorer)
    if config is None:
        return ScoredBy(**{name: getattr(scorer, name, None) for name in _NAMES})
    if asks_server(config.backend):
        return ScoredBy(config.model_name, max_length=config.max_length)
    load = getattr(scorer, "loaded", None)
    loaded = scorer if load is None else load()
    return ScoredBy(
        getattr(loaded, "source_model", config.model_name),
        getattr(loaded, "source_revision", config.revision) or MAIN,
        getattr(loaded, "precision", None),
        getattr(loaded, "max_length", None),
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
