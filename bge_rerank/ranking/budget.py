"""How many candidates can be scored in a given time, by what earlier calls took."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import ceil

from bge_rerank.ranking.pieces import Piece

PAIR_CHARACTERS = 50
"""What a pair costs besides its texts, in characters: special tokens, padding, its own share of a call."""
CHARACTERS_A_TOKEN = 5
"""More than a token of English has: what lies beyond the longest pair costs nothing."""
FIRST_CANDIDATES = 10
"""How many are scored while nothing was measured."""
RECENT_CALLS = 32
SLOW_SHARE = 0.9
"""The rate that is counted with is slower than in this share of the recent calls."""


class MeasuredRate:
    """Seconds a character, as recent calls took them; safe to share between threads.

    >>> rate = MeasuredRate()
    >>> rate.note(characters=1_000, seconds=7.0)
    >>> rate.seconds_a_character is None
    True
    >>> rate.note(characters=1_000, seconds=0.5)
    >>> rate.seconds_a_character
    0.0005
    """

    def __init__(self) -> None:
        """Begin with nothing measured."""
        self._rates: tuple[float, ...] = ()
        self._is_warm = False

    def note(self, characters: int, seconds: float) -> None:
        """Remember what a call took, but not the first: it may have loaded weights."""
        if characters > 0 and self._is_warm:
            self._rates = (*self._rates, seconds / characters)[-RECENT_CALLS:]
        self._is_warm = True

    def __eq__(self, other: object) -> bool:
        """Any two are equal: what was measured is no setting, and adapters are compared by settings."""
        return isinstance(other, MeasuredRate)

    __hash__ = object.__hash__

    @property
    def seconds_a_character(self) -> float | None:
        """The rate of a rather slow call; `None` while nothing was measured."""
        rates = sorted(self._rates)
        return rates[ceil(SLOW_SHARE * len(rates)) - 1] if rates else None


def characters(pieces: Sequence[Piece], max_length: int | None) -> int:
    """Return what pieces cost: the characters that a model reads of them, and a share for each.

    >>> characters([Piece(0, ("q" * 10, "a" * 90), None)], max_length=None)
    150
    >>> characters([Piece(0, ("q" * 10, "a" * 90_000), None)], max_length=512)
    2610
    """
    longest = float("inf") if max_length is None else CHARACTERS_A_TOKEN * max_length
    return sum(
        PAIR_CHARACTERS + int(min(len(query) + len(passage), longest))
        for query, passage in (piece.pair for piece in pieces)
    )


def affordable_pieces(
    pieces: Sequence[Piece],
    seconds: float,
    rate: MeasuredRate,
    *,
    least: int,
    max_length: int | None,
) -> list[Piece]:
    """Return the pieces of the first candidates that can be scored in a time.

    Args:
        pieces: Those of all candidates, in first-stage order.
        seconds: The time.
        rate: What earlier calls took; while there is nothing, ten candidates are few enough.
        least: Never fewer candidates than this.
        max_length: The longest pair in tokens, where it is known.
    """
    slow = rate.seconds_a_character
    first: list[Piece] = []
    cost = 0
    candidates = groupby(pieces, key=lambda piece: piece.place)
    for count, its in enumerate(list(of_one) for _, of_one in candidates):
        cost += characters(its, max_length)
        fits = count < FIRST_CANDIDATES if slow is None else slow * cost <= seconds
        if count >= least and not fits:
            break
        first += its
    return first
