"""The latency budget: how many candidates can be scored in a given time, from earlier timings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import ceil

from bge_rerank.ranking.pieces import Piece

PAIR_CHARACTERS = 50
"""The fixed cost of a pair, in characters: special tokens, padding and a share of the call."""
CHARACTERS_A_TOKEN = 5
"""A little more than a token of English has. It turns the longest pair from tokens into characters."""
FIRST_CANDIDATES = 10
"""The number of candidates to score before there are timings."""
RECENT_CALLS = 32
SLOW_SHARE = 0.9
"""The rate to plan with: this share of the recent calls was at least as fast."""


class MeasuredRate:
    """The seconds per character of recent calls. Threads can share it.

    >>> rate = MeasuredRate()
    >>> rate.note(characters=1_000, seconds=7.0)
    >>> rate.seconds_a_character is None
    True
    >>> rate.note(characters=1_000, seconds=0.5)
    >>> rate.seconds_a_character
    0.0005
    """

    def __init__(self) -> None:
        """Start without timings."""
        self._rates: tuple[float, ...] = ()
        self._is_warm = False

    def note(self, characters: int, seconds: float) -> None:
        """Remember the time of a call, except the first, which may have loaded the weights."""
        if characters > 0 and self._is_warm:
            self._rates = (*self._rates, seconds / characters)[-RECENT_CALLS:]
        self._is_warm = True

    def __eq__(self, other: object) -> bool:
        """Any two are equal, because adapters are compared by their options and not by timings."""
        return isinstance(other, MeasuredRate)

    __hash__ = object.__hash__

    @property
    def seconds_a_character(self) -> float | None:
        """The rate of a slow recent call (see `SLOW_SHARE`); `None` before there are timings."""
        rates = sorted(self._rates)
        return rates[ceil(SLOW_SHARE * len(rates)) - 1] if rates else None


def characters(pieces: Sequence[Piece], max_length: int | None) -> int:
    """Return the cost of pieces: the characters that the model reads, plus a fixed cost for each.

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
    """Return the pieces of the leading candidates that can be scored in a given time.

    Args:
        pieces: The pieces of all candidates, in first-stage order.
        seconds: The time.
        rate: The timings of earlier calls. Without timings, ten candidates are returned.
        least: The smallest number of candidates to return.
        max_length: The longest pair in tokens; `None` if it is not known.
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
