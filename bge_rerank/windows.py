"""Cut a long text into overlapping windows, by the places of its tokens.

A cross-encoder truncates pairs that are too long. Each window fits with the query, and shares tokens
with the window before. So a passage of usual length stands whole in one window. A passage that is cut
in two can score lower than a passage of another subject.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from bge_rerank.errors import InvalidInputError
from bge_rerank.types import Span

UNKNOWN_MAX_LENGTH = 512
"""What is taken where nobody says how long a pair may be: as much as BERT reads."""
SPECIAL_TOKENS = 8
"""Room for what a tokenizer puts around query and passage (4 in XLM-RoBERTa), and for a token or
two more where a window starts inside a word."""
SHORTEST_WINDOW = 8 * SPECIAL_TOKENS
"""The fewest tokens of a window and the query together."""
SHORTEST_ROOM = SHORTEST_WINDOW // 4 - SPECIAL_TOKENS
"""What that leaves for the window itself beside the longest query."""
SHARED_TOKENS = 192
"""What a window shares with the one before, at least: more than a passage of 100 words. A short window
shares half."""
SLACK = 8
"""A window may be shorter, and may share more, by one token of so many, to start and end between words."""

_ESTIMATED_TOKEN = re.compile(r"[^\W⺀-\U0003ffff]{1,3}|\S")
"""Three letters, or one character of Chinese, Japanese, Korean or of no word: of running English text
half as many again as BERT's tokenizer makes."""


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

    Raises:
        InvalidInputError: A text has to be cut, and the query leaves too little room for windows.
    """
    of_query, *of_texts = offsets([query, *texts])
    room = tokens - SPECIAL_TOKENS - min(len(of_query), tokens * 3 // 4)
    if room < SHORTEST_ROOM and any(len(its) > max(room, 0) for its in of_texts):
        raise InvalidInputError(
            f"the query has {len(of_query)} tokens; with pairs of {tokens} tokens at most (max_length, or what "
            f"the server takes) that leaves no room for windows of {SHORTEST_ROOM} tokens: shorten the query, "
            "raise max_length, or use long_documents='truncate'"
        )
    return [
        window_spans(text, its, max(room, 1)) for text, its in zip(texts, of_texts, strict=True)
    ]


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
