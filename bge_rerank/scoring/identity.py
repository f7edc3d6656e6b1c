"""`Wrapper`, a scorer around another, and `ScoredBy`, the model behind a scorer and how it runs."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.manifest import MAIN
from bge_rerank.models.registry import asks_server
from bge_rerank.types import Scorer

logger = logging.getLogger(__name__)


class Wrapper:
    """A scorer around another. Attributes that it lacks come from the scorer inside.

    So a stack of wrappers has the name, the precision and the windows of the innermost scorer. A wrapper
    must define its own `score` and `ascore`, which are not passed on.

    >>> class Lengths:
    ...     max_length = 512
    >>> Wrapper(Wrapper(Lengths())).max_length
    512
    """

    def __init__(self, scorer: Scorer) -> None:
        """Wrap a scorer."""
        self.scorer = scorer

    if not TYPE_CHECKING:  # so that type checkers find misspelt names

        def __getattr__(self, name: str) -> Any:
            # A copy under construction has no `scorer` yet, and would recurse here.
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
    """Return the configuration of a scorer from `load_scorer`; `None` for other scorers."""
    config = getattr(scorer, "config", None)
    return config if isinstance(config, ScorerConfig) else None


@dataclass(frozen=True, slots=True)
class ScoredBy:
    """A model and how it runs. `None` means not known, as for most attributes of a server.

    Attributes:
        model_name: The name that the caller passed; for an export, the model that was exported.
        revision: A branch, tag or commit; `"main"` if none was passed.
        precision: The precision of numbers: `"float32"`, `"bfloat16"`, `"float16"` or `"int8"`.
        max_length: The longest pair in tokens.
    """

    model_name: str | None = None
    revision: str | None = None
    precision: str | None = None
    max_length: int | None = None


def scored_by(scorer: Scorer) -> ScoredBy:
    """Return the model behind a scorer, and how it runs. This loads the weights if necessary.

    For your own scorers, the attributes of `ScoredBy` are read if they exist. For a server, only the
    model's name and the option `max_length` are known.

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
        getattr(loaded, "source_revision", None) or config.revision or MAIN,
        getattr(loaded, "precision", None),
        getattr(loaded, "max_length", None),
    )


_NAMES = tuple(asdict(ScoredBy()))


def differences(expected: ScoredBy, actual: ScoredBy) -> dict[str, tuple[Any, Any]]:
    """Return the attributes that differ, as name to (expected, actual). Unknown ones do not differ.

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
    """Return the names of the attributes that one of the two does not know.

    >>> not_compared(ScoredBy("a", "main", "int8", 512), ScoredBy("a", max_length=512))
    ['revision', 'precision']
    """
    return [name for name in _NAMES if None in (getattr(expected, name), getattr(actual, name))]


@cache
def warn_of_what_is_not_compared(what: str, expected: ScoredBy, actual: ScoredBy) -> None:
    """Log a warning, once for equal arguments, if attributes of a scorer could not be compared."""
    unknown = not_compared(expected, actual)
    if unknown:
        compared = [name for name in _NAMES if name not in unknown]
        logger.warning(
            "%s: %s not compared, because the scorer or the file does not state it; compared: %s",
            what,
            ", ".join(unknown),
            ", ".join(compared) or "nothing",
        )
