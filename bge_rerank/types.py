"""The two types that everything else speaks: `Scorer` and `Ranked`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

Pair = tuple[str, str]
"""A query and a passage, in this order."""
Span = tuple[int, int]
"""A part of a text: the place of its first character, and the place behind its last."""


@runtime_checkable
class Scorer(Protocol):
    """Anything that scores pairs. One method, so that a new backend is one class.

    >>> class Overlap:
    ...     def score(self, pairs, /):
    ...         return [float(len({*q.split()} & {*p.split()})) for q, p in pairs]
    >>> isinstance(Overlap(), Scorer)
    True
    """

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        """Score each (query, passage) pair.

        Returns:
            Raw logits (any real number, higher is more relevant), one per pair, in input order.
            Empty in, empty out.
        """
        ...


@runtime_checkable
class AsyncScorer(Scorer, Protocol):
    """A scorer that waits without holding a thread, as one that asks a server does."""

    async def ascore(self, pairs: Sequence[Pair], /) -> list[float]:
        """Score as `Scorer.score` does, on the running event loop."""
        ...


@dataclass(frozen=True, slots=True)
class Ranked:
    """One text of a ranking.

    Attributes:
        index: The text's place in the input, from 0.
        score: The sigmoid of the logit, 0..1. It is no probability: see `probability`.
        logit: What the model gave, any real number; the ranking is ordered by it, if not by `fused`.
        span: The window of the text that gave the score, where texts are cut into windows.
        probability: The calibrated probability that the text is relevant, 0..1; `None` without a
            calibration.
        fused: The sum of the reciprocals of two ranks, the first stage's and the reranker's, which the
            ranking is ordered by; `None` without fusion.
    """

    index: int
    score: float
    logit: float
    span: Span | None = None
    probability: float | None = None
    fused: float | None = None
