"""`Tier`: one step of a cascade, with the number of texts it received and kept, and its latency."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass
from time import perf_counter

from bge_rerank.scoring.identity import innermost
from bge_rerank.types import Scorer

WHOLE_MILLISECONDS_FROM = 10


@dataclass(frozen=True, slots=True)
class Tier:
    """One step of a cascade: a retriever, a prefilter or a reranker.

    Attributes:
        name: `"retriever"`, `"bm25"`, the name of a model, or the class name of your own scorer.
        received: The number of texts that it scored; `None` for a retriever.
        kept: The number of texts that it kept.
        seconds: The time that the caller waited for it. Loading on first use and waiting for a shared
            pass are part of it.

    >>> print(Tier("bm25", 200, 50, 0.0031))
    bm25 kept 50 of 200 in 3.1 ms
    >>> print(Tier("retriever", None, 200, 0.0124))
    retriever found 200 in 12 ms
    """

    name: str
    received: int | None
    kept: int
    seconds: float

    def __str__(self) -> str:
        of_received = "" if self.received is None else f" of {self.received}"
        verb = "found" if self.received is None else "kept"
        return f"{self.name} {verb} {self.kept}{of_received} in {_milliseconds(self.seconds)}"


def retriever_tier(found: Sized, started: float) -> Tier:
    """Return the tier of a retriever that started at a `perf_counter` time and has just returned."""
    return Tier("retriever", None, len(found), perf_counter() - started)


def scorer_name(scorer: Scorer) -> str:
    """Return the name of a scorer's tier: its `model_name`, or its class name. Nothing is loaded.

    >>> from bge_rerank import load_scorer
    >>> scorer_name(load_scorer("mini"))
    'mini'
    """
    name = getattr(scorer, "model_name", None)
    return name if isinstance(name, str) else type(innermost(scorer)).__name__


def _milliseconds(seconds: float) -> str:
    milliseconds = 1_000 * seconds
    decimals = 1 if milliseconds < WHOLE_MILLISECONDS_FROM else 0
    return f"{milliseconds:,.{decimals}f} ms"
