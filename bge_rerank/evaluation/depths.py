"""The depths that an evaluation compares, and the order of the candidates at each depth.

The logit of a cross-encoder depends on its pair alone. So the order at a smaller depth follows from the
ranking at the whole depth, without scoring again: the first candidates in the order of that ranking,
then the others in the first stage's order. (With some backends, a logit's rounding depends on its batch.)
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
        depths: The depths, ascending; the last one is the whole depth.
        without_curve: Model to the reason why it has results at the whole depth only.
        without_cost: The models whose latency at smaller depths cannot be measured, because their
            scorers keep scores: a second ranking would only look them up.
    """

    depths: tuple[int, ...]
    without_curve: Mapping[str, str]
    without_cost: frozenset[str]

    @property
    def smaller(self) -> tuple[int, ...]:
        """The depths below the whole one."""
        return self.depths[:-1]

    def has_curve(self, model: str) -> bool:
        """Say whether the order at a smaller depth follows from the whole ranking."""
        return model not in self.without_curve

    def has_cost(self, model: str) -> bool:
        """Say whether a second ranking shows the latency at a smaller depth."""
        return self.has_curve(model) and model not in self.without_cost


def plan_depths(
    rerankers: Mapping[str, Reranker], depths: Sequence[int] | None, whole: int
) -> DepthPlan:
    """Plan the given depths, by default `default_depths`, for rerankers by model name.

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
    """Return 5, 10, 20, 50, 100, 200 and so on below the whole depth, then the whole depth.

    >>> default_depths(100), default_depths(5)
    ((5, 10, 20, 50, 100), (5,))
    """
    series = (digit * 10**power for power in count() for digit in (1, 2, 5))
    smaller = takewhile(lambda depth: depth < whole, series)
    return (*(depth for depth in smaller if depth >= SMALLEST_DEPTH), whole)


def checked_depths(depths: Sequence[int], whole: int) -> tuple[int, ...]:
    """Return the depths and the whole depth, ascending.

    Raises:
        ConfigurationError: A depth is not a whole number from 1 to `whole`.

    >>> checked_depths([20, 10], 50)
    (10, 20, 50)
    """
    for depth in depths:
        if type(depth) is not int or not 1 <= depth <= whole:
            raise ConfigurationError(
                f"depths has {depth!r}; give whole numbers from 1 to {whole}, which is the depth"
            )
    return tuple(sorted({*depths, whole}))


def order_at(depth: int, whole_order: Sequence[int]) -> list[int]:
    """Return the order of the candidates' positions if only the first `depth` are reranked.

    `whole_order` holds the positions of all candidates, best first.

    >>> order_at(2, [3, 1, 0, 2])
    [1, 0, 2, 3]
    """
    return [place for place in whole_order if place < depth] + [*range(depth, len(whole_order))]


def why_no_curve(reranker: Reranker) -> str | None:
    """Say why the order at a smaller depth does not follow from the whole ranking, else return `None`.

    >>> from bge_rerank import load_scorer
    >>> why_no_curve(Reranker(load_scorer("mini"), top_n=3))
    'top_n may leave candidates out'
    """
    if getattr(reranker.scorer, "compares_within_call", False):
        return "scorer compares the candidates with one another"
    if reranker.options.rrf_k is not None:
        return "rrf_k fuses ranks, which depend on all candidates"
    dropping = [each.name for each in declared(RankOptions) if each.drops]
    given = [name for name in dropping if getattr(reranker.options, name) is not None]
    return f"{', '.join(given)} may leave candidates out" if given else None


def keeps_scores(scorer: Scorer) -> bool:
    """Say whether a scorer looks up pairs that it scored before; timing them again means nothing.

    >>> from bge_rerank import load_scorer
    >>> keeps_scores(load_scorer("mini")), keeps_scores(load_scorer("mini", score_cache="memory"))
    (False, True)
    """
    return bool(getattr(scorer, "keeps_scores", False))
