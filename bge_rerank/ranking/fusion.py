"""Reciprocal rank fusion of the first stage's order and the reranker's order.

The fused score is the sum of 1 / (k + rank) over both orders. The method and the usual k = 60 are from
Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank
Learning Methods" (SIGIR 2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bge_rerank.types import Ranked


def fused_score(first: int, second: int, k: int) -> float:
    """Return 1 / (k + first) + 1 / (k + second), above 0; higher is better.

    Args:
        first: A text's rank in one ranking, from 1.
        second: Its rank in the other, from 1.
        k: The constant. The higher it is, the less the first ranks stand out.

    >>> fused_score(1, 1, k=1), fused_score(1, 3, k=1)
    (1.0, 0.75)
    """
    # One division rounds once, so equal sums stay equal: 1/70 + 1/105 and 1/84 + 1/84, for example.
    return (2 * k + first + second) / ((k + first) * (k + second))


def fused_ranking(ranking: Sequence[Ranked], k: int) -> list[Ranked]:
    """Order a ranking by the fused score of each text. Ties keep their order.

    Args:
        ranking: All scored texts, best first by logit. Their indices 0, 1, 2, ... are their order in
            the first stage.
        k: The constant, as in `fused_score`.

    Returns:
        The same texts with `fused` set, highest first.

    >>> by_logit = [Ranked(2, 0.9, 2.2), Ranked(0, 0.8, 1.4), Ranked(1, 0.1, -2.2)]
    >>> [(ranked.index, round(ranked.fused, 5)) for ranked in fused_ranking(by_logit, k=60)]
    [(0, 0.03252), (2, 0.03227), (1, 0.032)]
    """
    fused = [
        replace(ranked, fused=fused_score(ranked.index + 1, rank, k))
        for rank, ranked in enumerate(ranking, 1)
    ]
    return sorted(fused, key=lambda ranked: -(ranked.fused or 0.0))
