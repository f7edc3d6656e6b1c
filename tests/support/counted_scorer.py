"""A scorer that records its calls."""

from collections.abc import Callable, Sequence

Pairs = Sequence[tuple[str, str]]


def length(passage: str) -> float:
    return float(len(passage))


class Counted:
    """A scorer that returns the length of each passage, and records the pairs of each call."""

    def __init__(self, score_of: Callable[[str], float] = length) -> None:
        self.passes: list[list[tuple[str, str]]] = []
        self.score_of = score_of

    def score(self, pairs: Pairs, /) -> list[float]:
        self.passes.append(list(pairs))
        self.begin()
        return [self.score_of(passage) for _, passage in pairs]

    def begin(self) -> None:
        """Run between the record of a call and its scores; subclasses override it."""
