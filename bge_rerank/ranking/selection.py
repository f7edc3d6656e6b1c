"""From logits to a ranking: order, threshold, top_n. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from bge_rerank.errors import ConfigurationError
from bge_rerank.logits import sigmoid
from bge_rerank.ranking.fusion import fused_ranking
from bge_rerank.types import Ranked


def check_selection(top_n: int | None, score_threshold: float | None) -> None:
    """Refuse settings that would select nothing or cannot be compared.

    Raises:
        ConfigurationError: `top_n` is no whole number from 1 on, or `score_threshold` lies
            outside 0..1 (NaN included).
    """
    if top_n is not None and (type(top_n) is not int or top_n < 1):
        raise ConfigurationError(
            f"top_n is {top_n!r}; give a whole number from 1 on, or None for all"
        )
    if score_threshold is not None and not 0.0 <= score_threshold <= 1.0:
        raise ConfigurationError(
            f"score_threshold is {score_threshold!r}; it is compared with rerank_score, "
            "so give a number from 0 to 1, or None for no threshold"
        )


def select(
    logits: Sequence[float],
    top_n: int | None = None,
    score_threshold: float | None = None,
    min_logit: float | None = None,
    rrf_k: int | None = None,
) -> list[Ranked]:
    """Rank finite logits, best first; ties keep the input order.

    `score_threshold` is on the score (0..1) and `min_logit` on the logit; both are inclusive and
    apply before `top_n`. `None` leaves any of them out. With `rrf_k` the order is that of the fused
    scores (see `rank_fusion`), and the input order is taken for the first stage's.

    >>> select([-2.0, 3.0, 0.0], top_n=2)
    [Ranked(index=1, score=0.9525741268224334, logit=3.0, span=None, probability=None, fused=None), Ranked(index=2, ...)]
    >>> [ranked.index for ranked in select([-2.0, 3.0, 0.0], score_threshold=0.5)]
    [1, 2]
    >>> [ranked.index for ranked in select([1.0, 0.0, 2.0], rrf_k=60)]
    [0, 2, 1]
    """
    order = sorted(range(len(logits)), key=lambda index: -logits[index])
    ranking = [Ranked(index, sigmoid(logits[index]), logits[index]) for index in order]
    if rrf_k is not None:
        ranking = fused_ranking(ranking, rrf_k)
    if score_threshold is not None:
        ranking = [ranked for ranked in ranking if ranked.score >= score_threshold]
    if min_logit is not None:
        ranking = [ranked for ranked in ranking if ranked.logit >= min_logit]
    return ranking[:top_n]
