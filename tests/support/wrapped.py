"""Put a scorer into wrappers, in every order."""

from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from typing import Any

from bge_rerank import Scorer
from bge_rerank.scoring.cache import CachedScorer, MemoryCache
from bge_rerank.scoring.gathering import GatheringScorer
from bge_rerank.scoring.identity import Wrapper
from bge_rerank.scoring.piecewise import PiecewiseScorer

Pairs = Sequence[tuple[str, str]]


class Watcher(Wrapper):
    """A wrapper that counts the pairs it passes on."""

    def __init__(self, scorer: Scorer) -> None:
        super().__init__(scorer)
        self.pairs = 0

    def score(self, pairs: Pairs, /) -> list[float]:
        self.pairs += len(pairs)
        return self.scorer.score(pairs)


class ForeignWatcher:
    """A wrapper from another package. It passes on missing attributes, as `Wrapper` does."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer

    def __getattr__(self, name: str) -> Any:
        if name in ("scorer", "ascore") or name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.scorer, name)

    def score(self, pairs: Pairs, /) -> list[float]:
        return self.scorer.score(pairs)


def cached(scorer: Scorer) -> Scorer:
    return CachedScorer(scorer, MemoryCache(), ["one model"])


def gathered(scorer: Scorer) -> Scorer:
    return GatheringScorer(scorer, wait_ms=0.1)


def in_pieces(scorer: Scorer) -> Scorer:
    return PiecewiseScorer(scorer, piece=2)


WRAPPERS: list[Callable[[Any], Scorer]] = [cached, gathered, in_pieces, Watcher]


def every_order(scorer: Scorer) -> Iterator[Scorer]:
    """Yield the scorer inside all wrappers, once for each order, and inside a foreign wrapper."""
    for order in permutations(WRAPPERS):
        wrapped = scorer
        for wrap in order:
            wrapped = wrap(wrapped)
        yield wrapped
    yield ForeignWatcher(cached(scorer))
