"""`PiecewiseScorer`: a large request takes its turn piece by piece, so that small ones get theirs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bge_rerank.scoring.asking import ascore_with
from bge_rerank.scoring.identity import Wrapper
from bge_rerank.types import Pair, Scorer

CHARACTERS_A_PIECE = 32_768
"""The most characters of a piece, unless one pair has more: some 8,000 tokens."""


class PiecewiseScorer(Wrapper):
    """A scorer that asks another for a few pairs at a time, one piece after the other.

    Pairs of like length go together, so that cutting costs no padding.

    >>> class Lengths:
    ...     def score(self, pairs, /):
    ...         print(f"{len(pairs)} pairs")
    ...         return [float(len(passage)) for _, passage in pairs]
    >>> PiecewiseScorer(Lengths(), piece=2).score([("q", "a"), ("q", "bbb"), ("q", "cc")])
    2 pairs
    1 pairs
    [1.0, 3.0, 2.0]
    """

    def __init__(self, scorer: Scorer, piece: int) -> None:
        """Wrap a scorer; `piece` is the most pairs that it is asked for at once.

        Of long ones it is asked for fewer: for `CHARACTERS_A_PIECE` characters.
        """
        super().__init__(scorer)
        self.piece = piece

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        """Return the wrapped scorer's logits, in input order."""
        logits: dict[int, float] = {}
        for places in self._pieces(pairs):
            scored = self.scorer.score([pairs[place] for place in places])
            logits.update(zip(places, scored, strict=True))
        return _in_order(logits)

    async def ascore(self, pairs: Sequence[Pair], /) -> list[float]:
        """Score as `score` does, without blocking the event loop."""
        logits: dict[int, float] = {}
        for places in self._pieces(pairs):
            scored = await ascore_with(self.scorer, [pairs[place] for place in places])
            logits.update(zip(places, scored, strict=True))
        return _in_order(logits)

    def _pieces(self, pairs: Sequence[Pair]) -> Iterator[list[int]]:
        order = sorted(range(len(pairs)), key=lambda place: -len(pairs[place][1]))
        piece: list[int] = []
        characters = 0
        for place in order:
            its = sum(map(len, pairs[place]))
            if piece and (len(piece) == self.piece or characters + its > CHARACTERS_A_PIECE):
                yield piece
                piece, characters = [], 0
            piece.append(place)
            characters += its
        if piece:
            yield piece


def _in_order(logits: dict[int, float]) -> list[float]:
    return [logits[place] for place in sorted(logits)]
