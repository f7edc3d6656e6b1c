"""Ask a scorer for scores, and check its answer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from bge_rerank.backends.stopping import stoppable
from bge_rerank.errors import NonFiniteScoreError, ScoringError
from bge_rerank.types import AsyncScorer, Pair, Scorer


def score_pairs(scorer: Scorer, pairs: Sequence[Pair]) -> list[float]:
    """Return the logit of each pair. Equal pairs are scored once.

    Args:
        scorer: Any object with `score(pairs)`.
        pairs: Without pairs, the scorer is not asked.

    Returns:
        Finite logits as Python floats, one for each pair, in input order.

    Raises:
        ScoringError: The scorer failed, or returned a wrong number of scores.
        NonFiniteScoreError: A score is NaN or infinite.

    >>> class Lengths:
    ...     def score(self, pairs, /):
    ...         print(f"{len(pairs)} pairs")
    ...         return [len(passage) for _, passage in pairs]
    >>> score_pairs(Lengths(), [("q", "a"), ("q", "bb"), ("q", "a")])
    2 pairs
    [1.0, 2.0, 1.0]
    """
    distinct = list(dict.fromkeys(pairs))
    return _checked(pairs, distinct, scorer.score(distinct)) if pairs else []


async def ascore_pairs(scorer: Scorer, pairs: Sequence[Pair]) -> list[float]:
    """Return what `score_pairs` returns, without blocking the event loop.

    Scorers with `ascore` are awaited. Others run in a thread.

    >>> class Lengths:
    ...     def score(self, pairs, /):
    ...         return [len(passage) for _, passage in pairs]
    >>> asyncio.run(ascore_pairs(Lengths(), [("q", "a"), ("q", "bb")]))
    [1.0, 2.0]
    """
    if not pairs:
        return []
    distinct = list(dict.fromkeys(pairs))
    return _checked(pairs, distinct, await ascore_with(scorer, distinct))


async def ascore_with(scorer: Scorer, pairs: Sequence[Pair]) -> Sequence[float]:
    """Return a scorer's answer without checks. Scorers with `ascore` are awaited; others run in a thread.

    A thread cannot be cancelled. But after the caller is cancelled, our backends stop at their next batch.
    """
    if isinstance(scorer, AsyncScorer):
        return await scorer.ascore(pairs)
    with stoppable():
        return await asyncio.to_thread(scorer.score, pairs)


def logit_by_pair(distinct: Sequence[Pair], logits: Sequence[float]) -> dict[Pair, float]:
    """Return the logit of each pair, by pair.

    Raises:
        ScoringError: The numbers of logits and pairs differ.
    """
    if len(logits) != len(distinct):
        raise ScoringError(
            f"the scorer returned {len(logits)} scores for {len(distinct)} pairs; it must return one for each"
        )
    return dict(zip(distinct, map(float, logits), strict=True))


def _checked(
    pairs: Sequence[Pair], distinct: Sequence[Pair], logits: Sequence[float]
) -> list[float]:
    """Return the logit of each pair from those of the distinct pairs; refuse NaN and infinities."""
    logit_of = logit_by_pair(distinct, logits)
    for index, pair in enumerate(pairs):
        if not math.isfinite(logit_of[pair]):
            raise NonFiniteScoreError(
                f"the scorer returned {logit_of[pair]} for pair {index} of 0..{len(pairs) - 1}, so nothing "
                "was ranked; check the model's weights, or try dtype='float32'"
            )
    return [logit_of[pair] for pair in pairs]
