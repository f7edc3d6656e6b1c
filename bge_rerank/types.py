"""The types that all rooms share: `Scorer`, `AsyncScorer` and `Ranked`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

Pair = tuple[str, str]
"""A query and a passage."""
Span = tuple[int, int]
"""A part of a text: the index of its first character, and the index after its last."""


@runtime_checkable
class Scorer(Protocol):
    """An object that scores pairs. It needs only the method `score`.

    >>> class Overlap:
    ...     def score(self, pairs, /):
    ...         return [float(len({*q.split()} & {*p.split()})) for q, p in pairs]
    >>> isinstance(Overlap(), Scorer)
    True
    """

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        """Return the logit of each pair.

        Returns:
            Logits in input order, one for each pair. A higher logit means more relevant. An empty list
            for no pairs.
        """
        ...


@runtime_checkable
class AsyncScorer(Scorer, Protocol):
    """A scorer with an async method, such as one that asks a server."""

    async def ascore(self, pairs: Sequence[Pair], /) -> list[float]:
        """Return what `Scorer.score` returns, without blocking the event loop."""
        ...


@dataclass(frozen=True, slots=True)
class Ranked:
    """A text of a ranking.

    Attributes:
        index: The text's index in the input, from 0.
        score: The sigmoid of the logit, 0..1. It is not a probability; see `probability`.
        logit: The model's output, any real number. It orders the ranking, unless `fused` does.
        span: The window with the best score; `None` unless texts are cut into windows.
        probability: The calibrated probability that the text is relevant, 0..1; `None` without a
            calibration.
        fused: The score of reciprocal rank fusion, which combines the first stage's rank and the
            reranker's. It orders the ranking; `None` without fusion.
    """

    index: int
    score: float
    logit: float
    span: Span | None = None
    probability: float | None = None
    fused: float | None = None
