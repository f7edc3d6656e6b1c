"""Asking a scorer, and checking what it answers."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from bge_rerank.errors import NonFiniteScoreError, ScoringError
from bge_rerank.types import AsyncScorer, Pair, Scorer


def score_pairs(scorer: Scorer, pairs: Sequence[Pair]) -> list[float]:
    """Score pairs with any scorer.

    Returns:
        Finite logits as Python floats, one per pair, in input order. Without pairs the scorer is
        not asked.

    Raises:
        ScoringError: The scorer failed, or gave another number of scores than pairs.
        NonFiniteScoreError: A score is NaN or infinite.
    """
    return checked_logits(scorer.score(pairs), len(pairs)) if pairs else []


async def ascore_pairs(scorer: Scorer, pairs: Sequence[Pair]) -> list[float]:
    """Score as `score_pairs` does, without blocking the event loop.

    A scorer with an `ascore` of its own is awaited; any other runs in a thread.
    """
    if not pairs:
        return []
    if isinstance(scorer, AsyncScorer):
        return checked_logits(await scorer.ascore(pairs), len(pairs))
    return checked_logits(await asyncio.to_thread(scorer.score, pairs), len(pairs))


def checked_logits(logits: Sequence[float], count: int) -> list[float]:
    """Return the logits as Python floats, or raise where they cannot be ranked.

    >>> checked_logits([0.5, float("nan")], 2)
    Traceback (most recent call last):
    bge_rerank.errors.NonFiniteScoreError: the scorer gave nan for pair 1 of 0..1; ...
    """
    if len(logits) != count:
        raise ScoringError(
            f"the scorer gave {len(logits)} scores for {count} pairs; it must give one each"
        )
    checked = [float(logit) for logit in logits]
    for index, logit in enumerate(checked):
        if not math.isfinite(logit):
            raise NonFiniteScoreError(
                f"the scorer gave {logit} for pair {index} of 0..{count - 1}; "
                "nothing was ranked: check the model's weights, or try dtype='float32'"
            )
    return checked
