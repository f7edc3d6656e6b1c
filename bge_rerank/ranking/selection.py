"""From logits to a ranking: order, thresholds and `top_n`."""

from __future__ import annotations

from collections.abc import Sequence

from bge_rerank.logits import sigmoid
from bge_rerank.ranking.fusion import fused_ranking
from bge_rerank.ranking.options import RankOptions
from bge_rerank.types import Ranked


def select(
    logits: Sequence[float], options: RankOptions, min_logit: float | None = None
) -> list[Ranked]:
    """Rank finite logits, best first. Ties keep the input order.

    `score_threshold` applies to the score (0..1), `min_logit` to the logit. Both are inclusive and
    apply before `top_n`. With `rrf_k`, fused scores decide the order, and the input order counts as that
    of the first stage (see `ranking.fusion`).

    >>> select([-2.0, 3.0, 0.0], RankOptions(top_n=2))
    [Ranked(index=1, score=0.9525741268224334, logit=3.0, span=None, probability=None, fused=None), Ranked(index=2, ...)]
    >>> [ranked.index for ranked in select([-2.0, 3.0, 0.0], RankOptions(score_threshold=0.5))]
    [1, 2]
    >>> [ranked.index for ranked in select([1.0, 0.0, 2.0], RankOptions(rrf_k=60))]
    [0, 2, 1]
    """
    order = sorted(range(len(logits)), key=lambda index: -logits[index])
    ranking = [Ranked(index, sigmoid(logits[index]), logits[index]) for index in order]
    if options.rrf_k is not None:
        ranking = fused_ranking(ranking, options.rrf_k)
    lowest = options.score_threshold
    if lowest is not None:
        ranking = [ranked for ranked in ranking if ranked.score >= lowest]
    if min_logit is not None:
        ranking = [ranked for ranked in ranking if ranked.logit >= min_logit]
    return ranking[: options.top_n]
