"""Asking a scorer, and checking what it answers."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from bge_rerank.backends.stopping import stoppable
from bge_rerank.errors import NonFiniteScoreError, ScoringError
from bge_rerank.types import AsyncScorer, Pair, Scorer


def score_pairs(scorer: Scorer, pairs: Sequence[Pair]) -> list[float]:
    """Score pairs with any scorer; a pair that stands there twice is scored once.

    Returns:
        Finite logits as Python floats, one per pair, in input order. Without pairs the scorer is
        not asked.

    Raises:
        ScoringError: The scorer failed, or gave another number of scores than it was asked for.
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
    """Score as `score_pairs` does, without blocking the event loop.

    A scorer with an `ascore` of its own is awaited; any other runs in a thread.
    """
    if not pairs:
        return []
    distinct = list(dict.fromkeys(pairs))
    return _checked(pairs, distinct, await ascore_with(scorer, distinct))


async def ascore_with(scorer: Scorer, pairs: Sequence[Pair]) -> Sequence[float]:
    """Return what a scorer answers, unchecked: awaited where it can be, else from a thread.

    A thread cannot be cancelled; our backends leave off at their next batch where the caller is.
    """
    if isinstance(scorer, AsyncScorer):
        return await scorer.ascore(pairs)
    with stoppable():
        return await asyncio.to_thread(scorer.score, pairs)


def logit_by_pair(distinct: Sequence[Pair], logits: Sequence[float]) -> dict[Pair, float]:
    """Put each pair together with its logit.

    Raises:
        ScoringError: There is another number of logits than of pairs.
    """
    if len(logits) != len(distinct):
        raise ScoringError(
            f"the scorer gave {len(logits)} scores for {len(distinct)} pairs; it must give one each"
        )
    return dict(zip(distinct, map(float, logits), strict=True))


def _checked(
    pairs: Sequence[Pair], distinct: Sequence[Pair], logits: Sequence[float]
) -> list[float]:
    """Give every pair the logit of its distinct one, or raise where that cannot be ranked."""
    logit_of = logit_by_pair(distinct, logits)
    for index, pair in enumerate(pairs):
        if not math.isfinite(logit_of[pair]):
            raise NonFiniteScoreError(
                f"the scorer gave {logit_of[pair]} for pair {index} of 0..{len(pairs) - 1}; "
                "nothing was ranked: check the model's weights, or try dtype='float32'"
            )
    return [logit_of[pair] for pair in pairs]
