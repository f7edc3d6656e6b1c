"""Cut a long text into overlapping windows.

A cross-encoder truncates pairs that are too long. Each window fits beside the query, and shares tokens
with the window before it. So a passage of usual length lies in one window as a whole. A passage that is
cut in two can score lower than a passage about another subject.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from bge_rerank.errors import InvalidInputError
from bge_rerank.types import Span

UNKNOWN_MAX_LENGTH = 512
"""The longest pair, in tokens, if it is not known: BERT's 512."""
SPECIAL_TOKENS = 8
"""Tokens reserved in each pair: special tokens (4 in XLM-RoBERTa), and one or two more where a window starts
inside a word."""
SHORTEST_WINDOW = 8 * SPECIAL_TOKENS
"""The fewest tokens of a window and the query together."""
SHORTEST_ROOM = SHORTEST_WINDOW // 4 - SPECIAL_TOKENS
"""The tokens that `SHORTEST_WINDOW` leaves for the window beside the longest query."""
SHARED_TOKENS = 192
"""The fewest tokens that a window shares with the one before: more than a passage of 100 words. Short windows
share half."""
SLACK = 8
"""A window may be shorter by one eighth, and share more by as much, so that it starts and ends between words."""

_ESTIMATED_TOKEN = re.compile(r"[^\W⺀-\U0003ffff]{1,3}|\S")
"""An estimated token: up to three letters, one Chinese, Japanese or Korean character, or one character outside
words. On English prose this gives 1.5 times as many tokens as BERT's tokenizer."""


def fitting_windows(
    query: str,
    texts: Sequence[str],
    offsets: Callable[[Sequence[str]], list[list[Span]]],
    tokens: int,
) -> list[list[Span]]:
    """Cut each text into windows that make pairs of at most `tokens` tokens with the query.

    Args:
        query: The query. A long query counts as three quarters of the pair, because it is truncated to that.
        texts: The texts to cut.
        offsets: Returns the span of each token of each text, without special tokens.
        tokens: The longest pair, in tokens.

    Raises:
        InvalidInputError: A text must be cut, and the query leaves too little room for windows.
    """
    of_query, *of_texts = offsets([query, *texts])
    room = tokens - SPECIAL_TOKENS - min(len(of_query), tokens * 3 // 4)
    if room < SHORTEST_ROOM and any(len(tokens_of) > max(room, 0) for tokens_of in of_texts):
        raise InvalidInputError(
            f"the query has {len(of_query)} tokens, and a pair at most {tokens} (max_length, or the server's "
            f"limit), which leaves less than {SHORTEST_ROOM} tokens for a window; shorten the query, raise "
            "max_length, or use long_documents='truncate'"
        )
    return [
        window_spans(text, tokens_of, max(room, 1))
        for text, tokens_of in zip(texts, of_texts, strict=True)
    ]


def window_spans(text: str, offsets: Sequence[Span], size: int) -> list[Span]:
    """Cut a text into windows of at most `size` tokens, between words if possible.

    Args:
        text: The text to cut.
        offsets: The span of each token, in order.
        size: The most tokens of a window, 1 or more.

    Returns:
        Windows from the start of the text to its end. Each window shares `shared_tokens(size)` tokens
        with the one before, or a few more.

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
    """Return how many tokens a window of `size` tokens shares with the one before.

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
    """Estimate the span of each token, for scorers whose tokenizer is not available.

    >>> estimated_offsets(["tides!", "潮汐"])
    [[(0, 3), (3, 5), (5, 6)], [(0, 1), (1, 2)]]
    """
    return [[found.span() for found in _ESTIMATED_TOKEN.finditer(text)] for text in texts]
