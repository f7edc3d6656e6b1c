"""`Piece`: a whole text or one window of it, as it is scored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bge_rerank.types import Pair, Scorer, Span
from bge_rerank.windows import (
    UNKNOWN_MAX_LENGTH,
    estimated_offsets,
    fitting_windows,
)

WindowCutter = Callable[[str, Sequence[str], int], list[list[Span]]]
"""A function of a query, texts and a number of tokens. It cuts each text into windows so that no pair of
query and window has more tokens than that."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A candidate, or a window of it, as it is scored.

    Attributes:
        place: The candidate's position in its request, from 0.
        pair: The query, and the text or a window of it.
        span: The window's span in the text; `None` for a whole text.
    """

    place: int
    pair: Pair
    span: Span | None


def whole_pieces(pairs: Sequence[Pair], places: Iterable[int]) -> list[Piece]:
    """Return each candidate at `places` as one piece."""
    return [Piece(place, pairs[place], None) for place in places]


def window_pieces(
    scorer: Scorer, pairs: Sequence[Pair], places: Sequence[int], tokens: int
) -> list[Piece]:
    """Return the windows of the candidates at `places`, in the order of each text.

    >>> class Lengths:
    ...     def score(self, pairs, /):
    ...         return [len(passage) for _, passage in pairs]
    >>> [piece.span for piece in window_pieces(Lengths(), [("q", "word " * 100)], [0], tokens=64)]
    [(0, 134), (65, 199), (130, 264), (195, 329), (260, 394), (325, 459), (390, 500)]
    """
    if not places:
        return []
    query = pairs[0][0]
    texts = [pairs[place][1] for place in places]
    cut = windows(scorer, query, texts, tokens)
    return [
        Piece(place, (query, text[start:end]), (start, end))
        for place, text, spans in zip(places, texts, cut, strict=True)
        for start, end in spans
    ]


def best_pieces(pieces: Sequence[Piece], logits: Sequence[float]) -> list[tuple[Piece, float]]:
    """Return the best piece of each candidate with its logit. The first of equal pieces wins.

    >>> pieces = [Piece(0, ("q", "a"), (0, 1)), Piece(0, ("q", "b"), (1, 2)), Piece(1, ("q", "c"), None)]
    >>> [(piece.place, piece.span, logit) for piece, logit in best_pieces(pieces, [1.0, 2.0, 0.5])]
    [(0, (1, 2), 2.0), (1, None, 0.5)]
    """
    best: dict[int, tuple[Piece, float]] = {}
    for piece, logit in zip(pieces, logits, strict=True):
        if piece.place not in best or logit > best[piece.place][1]:
            best[piece.place] = piece, logit
    return list(best.values())


def windows(scorer: Scorer, query: str, texts: Sequence[str], tokens: int) -> list[list[Span]]:
    """Cut each text by the scorer's own tokens. Estimate them if the scorer has no `windows` method."""
    cut: WindowCutter | None = getattr(scorer, "windows", None)
    if cut is None:
        return fitting_windows(query, texts, estimated_offsets, min(tokens, UNKNOWN_MAX_LENGTH))
    return cut(query, texts, tokens)
