"""The depths that an evaluation compares: which they are, and the order at each of them.

A cross-encoder's logit depends on its pair alone. So the order at a smaller depth follows from the
ranking at the whole depth, without scoring again: the first candidates in the order of that ranking,
the others behind them as they came. (With some backends, a logit's rounding depends on its batch.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count, takewhile

from bge_rerank.errors import ConfigurationError
from bge_rerank.models.options import declared
from bge_rerank.ranking.options import RankOptions
from bge_rerank.ranking.reranker import Reranker
from bge_rerank.types import Scorer

SMALLEST_DEPTH = 5


@dataclass(frozen=True, slots=True)
class DepthPlan:
    """The depths to compare, and the models for which that is possible.

    Attributes:
        depths: Ascending; the last one is the whole depth.
        without_curve: Model to the reason why it has only the whole depth.
        without_cost: The models whose scorers keep scores: a second ranking would look them up.
    """

    depths: tuple[int, ...]
    without_curve: Mapping[str, str]
    without_cost: frozenset[str]

    @property
    def smaller(self) -> tuple[int, ...]:
        """The depths below the whole one."""
        return self.depths[:-1]

    def has_curve(self, model: str) -> bool:
        """Say whether the order at a smaller depth follows from the whole one."""
        return model not in self.without_curve

    def has_cost(self, model: str) -> bool:
        """Say whether a second ranking shows the latency at a smaller depth."""
        return self.has_curve(model) and model not in self.without_cost


def plan_depths(
    rerankers: Mapping[str, Reranker], depths: Sequence[int] | None, whole: int
) -> DepthPlan:
    """Plan the given depths, by default `default_depths`, for rerankers by the models' names.

    Raises:
        ConfigurationError: A depth is not a whole number from 1 to `whole`.
    """
    reasons = {name: why_no_curve(reranker) for name, reranker in rerankers.items()}
    return DepthPlan(
        default_depths(whole) if depths is None else checked_depths(depths, whole),
        {name: reason for name, reason in reasons.items() if reason},
        frozenset(name for name, reranker in rerankers.items() if keeps_scores(reranker.scorer)),
    )


def default_depths(whole: int) -> tuple[int, ...]:
    """Return 5, 10, 20, 50, 100, 200 and so on below the whole depth, and that depth.

    >>> default_depths(100), default_depths(5)
    ((5, 10, 20, 50, 100), (5,))
    """
    series = (digit * 10**power for power in count() for digit in (1, 2, 5))
    smaller = takewhile(lambda depth: depth < whole, series)
    return (*(depth for depth in smaller if depth >= SMALLEST_DEPTH), whole)


def checked_depths(depths: Sequence[int], whole: int) -> tuple[int, ...]:
    """Return the depths, ascending, with the whole one.

    Raises:
        ConfigurationError: A depth is not a whole number from 1 to `whole`.

    >>> checked_depths([20, 10], 50)
    (10, 20, 50)
    """
    for depth in depths:
        if type(depth) is not int or not 1 <= depth <= whole:
            raise ConfigurationError(
                f"depths has {depth!r}; give whole numbers from 1 to {whole}, the depth itself"
            )
    return tuple(sorted({*depths, whole}))


def order_at(depth: int, whole_order: Sequence[int]) -> list[int]:
    """Return the order where only the first `depth` candidates are reranked.

    `whole_order` holds the places of all candidates, best first.

    >>> order_at(2, [3, 1, 0, 2])
    [1, 0, 2, 3]
    """
    return [place for place in whole_order if place < depth] + [*range(depth, len(whole_order))]


def why_no_curve(reranker: Reranker) -> str | None:
    """Say why the order at a smaller depth does not follow from the whole one, or return `None`.

    A fused order depends on the ranks among all scored candidates.

    >>> from bge_rerank import load_scorer
    >>> why_no_curve(Reranker(load_scorer("mini"), top_n=3))
    'top_n may leave candidates out'
    """
    if getattr(reranker.scorer, "compares_within_call", False):
        return "scorer compares the candidates with one another"
    if reranker.options.rrf_k is not None:
        return "rrf_k ranks the candidates among one another"
    dropping = [each.name for each in declared(RankOptions) if each.drops]
    given = [name for name in dropping if getattr(reranker.options, name) is not None]
    return f"{', '.join(given)} may leave candidates out" if given else None


def keeps_scores(scorer: Scorer) -> bool:
    """Say whether a scorer looks up pairs that it scored before: timing them again means nothing.

    >>> from bge_rerank import load_scorer
    >>> keeps_scores(load_scorer("mini")), keeps_scores(load_scorer("mini", score_cache="memory"))
    (False, True)
    """
    return bool(getattr(scorer, "keeps_scores", False))
