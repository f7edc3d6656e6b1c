"""Long texts in overlapping windows: each is scored, and the best one speaks for its text.

A cross-encoder reads a pair of limited length and leaves out the rest. The windows of a text fit
with the query, and each shares tokens with the one before, so that a passage of usual length stands
whole in one of them: one that is cut in two can score lower than a passage of another subject.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from bge_rerank.errors import ConfigurationError
from bge_rerank.types import Pair, Scorer, Span

LongDocuments = Literal["truncate", "window"]

WINDOW_TOKENS = 3_000
"""The longest pair by default, query included."""
UNKNOWN_MAX_LENGTH = 512
"""What is taken where nobody says how long a pair may be: as much as BERT reads."""
SPECIAL_TOKENS = 8
"""Room for what a tokenizer puts around query and passage (4 in XLM-RoBERTa), and for a token or
two more where a window starts inside a word."""
SHORTEST_WINDOW = 8 * SPECIAL_TOKENS
"""The fewest tokens of a window and the query together."""
SHARED_TOKENS = 192
"""What a window shares with the one before, at least: more than a passage of 100 words. A short window
shares half."""
SLACK = 8
"""A window may be shorter, and may share more, by one token of so many, to start and end between words."""

_ESTIMATED_TOKEN = re.compile(r"[^\W⺀-\U0003ffff]{1,3}|\S")
"""Three letters, or one character of Chinese, Japanese, Korean or of no word: of running English text
half as many again as BERT's tokenizer makes."""


@runtime_checkable
class WindowCutter(Protocol):
    """A scorer that knows how long a pair may be, and where the tokens of a text are."""

    def windows(self, query: str, texts: Sequence[str], tokens: int, /) -> list[list[Span]]:
        """Cut each text into windows that make pairs of at most `tokens` tokens with the query."""
        ...


@dataclass(frozen=True, slots=True)
class Piece:
    """What is scored of a candidate.

    Attributes:
        place: The candidate's place among those of its request.
        pair: The query, and a window of the text or all of it.
        span: Where the window lies in the text; `None` where all of it is scored.
    """

    place: int
    pair: Pair
    span: Span | None


def check_windows(long_documents: str, window_tokens: int) -> None:
    """Refuse settings that cannot work.

    Raises:
        ConfigurationError: There is no such way, or a window would have no room for a query.
    """
    if long_documents not in ("truncate", "window"):
        raise ConfigurationError(
            f"long_documents is {long_documents!r}; choose 'truncate' or 'window'"
        )
    if type(window_tokens) is not int or window_tokens < 8 * SPECIAL_TOKENS:
        raise ConfigurationError(
            f"window_tokens is {window_tokens!r}; give a whole number from {8 * SPECIAL_TOKENS} on"
        )


def whole_pieces(pairs: Sequence[Pair], places: Iterable[int]) -> list[Piece]:
    """Return the candidates at some places, each as one piece."""
    return [Piece(place, pairs[place], None) for place in places]


def window_pieces(
    scorer: Scorer, pairs: Sequence[Pair], places: Sequence[int], tokens: int
) -> list[Piece]:
    """Return the windows of the candidates at some places, in the order of the text.

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
    """Return the best piece of each candidate with its logit; the first of equal ones.

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
    """Cut each text by a scorer's own tokens, or by estimated ones where it does not know them."""
    if isinstance(scorer, WindowCutter):
        return scorer.windows(query, texts, tokens)
    return fitting_windows(query, texts, estimated_offsets, min(tokens, UNKNOWN_MAX_LENGTH))


def fitting_windows(
    query: str,
    texts: Sequence[str],
    offsets: Callable[[Sequence[str]], list[list[Span]]],
    tokens: int,
) -> list[list[Span]]:
    """Cut each text into windows that make pairs of at most `tokens` tokens with the query.

    Args:
        query: What is asked; of a long one counts three quarters of the pair, as much as is kept.
        texts: What is cut.
        offsets: Gives the tokens of texts by their places, special tokens left out.
        tokens: The longest pair.
    """
    of_query, *of_texts = offsets([query, *texts])
    room = tokens - SPECIAL_TOKENS - min(len(of_query), tokens * 3 // 4)
    return [window_spans(text, its, room) for text, its in zip(texts, of_texts, strict=True)]


def window_spans(text: str, offsets: Sequence[Span], size: int) -> list[Span]:
    """Cut a text into windows of at most `size` tokens, between words where there are any.

    Args:
        text: What is cut.
        offsets: Where its tokens lie, in order.
        size: The most tokens of a window, from 1 on.

    Returns:
        Windows from the start of the text to its end. Each shares `shared_tokens(size)` tokens with
        the one before, or a few more.

    >>> window_spans("a b c d e", [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9)], size=2)
    [(0, 3), (2, 5), (4, 7), (6, 9)]
    """
    shared, slack = shared_tokens(size), size // SLACK
    spans: list[Span] = []
    first = start = 0
    while first + size < len(offsets):
        last = _word_start(text, offsets, first + size, first + size - slack)
        spans.append((start, offsets[last - 1][1]))
        first = _word_start(text, offsets, last - shared, last - shared - slack)
        start = offsets[first][0]
    return [*spans, (start, len(text))]


def shared_tokens(size: int) -> int:
    """Return how many tokens a window of a size shares with the one before.

    >>> shared_tokens(3_000), shared_tokens(100)
    (192, 50)
    """
    return min(SHARED_TOKENS, size // 2)


def _word_start(text: str, offsets: Sequence[Span], token: int, earliest: int) -> int:
    """Return the last token from `earliest` to `token` that starts a word, or `token` itself."""
    for candidate in range(token, earliest - 1, -1):
        start = offsets[candidate][0]
        if start == 0 or text[start].isspace() or text[start - 1].isspace():
            return candidate
    return token


def estimated_offsets(texts: Sequence[str]) -> list[list[Span]]:
    """Return where tokens may lie, for scorers whose tokenizer is not here.

    >>> estimated_offsets(["tides!", "潮汐"])
    [[(0, 3), (3, 5), (5, 6)], [(0, 1), (1, 2)]]
    """
    return [[found.span() for found in _ESTIMATED_TOKEN.finditer(text)] for text in texts]


def span_in_text(span: Span, passage: str, text: str) -> Span | None:
    r"""Return where a span of a scored passage lies in the text at its end; `None` if it does not.

    >>> span_in_text((0, 9), passage="Title\ntext", text="text")
    (0, 3)
    """
    ahead = passage.rfind(text)
    start, end = (min(max(0, place - ahead), len(text)) for place in span)
    return (start, end) if ahead >= 0 and end > start else None
