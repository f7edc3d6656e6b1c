"""`PiecewiseScorer`: score a large request in pieces, so that small requests can run in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bge_rerank.scoring.asking import ascore_with
from bge_rerank.scoring.identity import Wrapper
from bge_rerank.types import Pair, Scorer

CHARACTERS_A_PIECE = 32_768
"""The most characters of a piece, about 8,000 tokens. A longer pair is a piece of size own."""


class PiecewiseScorer(Wrapper):
    """A scorer that asks another for one piece of the pairs after the other.

    Pairs of similar length are in the same piece, so that pieces need no additional padding.

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
        """Wrap a scorer.

        Args:
            scorer: The scorer to ask.
            piece: The most pairs of a piece. Long pairs make smaller pieces, of at most
                `CHARACTERS_A_PIECE` characters.
        """
        super().__init__(scorer)
        self.piece = piece

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        """Return the wrapped scorer's logits, in input order."""
        logits: dict[int, float] = {}
        for indices in self._pieces(pairs):
            scored = self.scorer.score([pairs[index] for index in indices])
            logits.update(zip(indices, scored, strict=True))
        return _in_order(logits)

    async def ascore(self, pairs: Sequence[Pair], /) -> list[float]:
        """Return what `score` returns, without blocking the event loop."""
        logits: dict[int, float] = {}
        for indices in self._pieces(pairs):
            scored = await ascore_with(self.scorer, [pairs[index] for index in indices])
            logits.update(zip(indices, scored, strict=True))
        return _in_order(logits)

    def _pieces(self, pairs: Sequence[Pair]) -> Iterator[list[int]]:
        order = sorted(range(len(pairs)), key=lambda index: -len(pairs[index][1]))
        piece: list[int] = []
        characters = 0
        for index in order:
            size = sum(map(len, pairs[index]))
            if piece and (len(piece) == self.piece or characters + size > CHARACTERS_A_PIECE):
                yield piece
                piece, characters = [], 0
            piece.append(index)
            characters += size
        if piece:
            yield piece


def _in_order(logits: dict[int, float]) -> list[float]:
    return [logits[index] for index in sorted(logits)]
