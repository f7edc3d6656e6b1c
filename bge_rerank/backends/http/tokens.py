"""Ask a server for the tokens of texts, and read their spans in its answer. Pure functions.

The wire format is that of `POST /tokenize` in Text Embeddings Inference 1.9 (`into_tokens` in
`core/src/tokenization.rs`): for each text a list of `{"id", "text", "special", "start", "stop"}`. `start` and `stop` count
bytes of UTF-8, and are null for the special tokens that the tokenizer adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bge_rerank.backends.http.answers import UnusableAnswerError, checked_json, shown
from bge_rerank.backends.http.masking import Mask
from bge_rerank.types import Span

PART_BYTES = 100_000
"""The most bytes of the texts of a request, unless one text has more. The answer can be a hundred times as large."""
TEXT_BYTES = 500_000
"""The most bytes of a text whose tokens a server is asked for."""
TOKEN_BYTES = 128
"""The most bytes of an answer for each byte of the texts, which may be a token of its own."""
INSIDE = -1
"""Stands for a byte inside a character."""


def tokenize_body(texts: Sequence[str]) -> dict[str, Any]:
    """Return the body of a request for the tokens of texts."""
    return {"inputs": list(texts), "add_special_tokens": False}


def read_spans(content: bytes, texts: Sequence[str], mask: Mask = str) -> list[list[Span]]:
    """Return the span of each token of each text, in characters.

    Spans never go back, but may overlap: a tokenizer can make several tokens of one character.

    Args:
        content: The body of the answer.
        texts: The texts of the request.
        mask: Removes secrets from texts for error messages.

    Raises:
        UnusableAnswerError: The answer does not have a list of tokens for each text, or a token is not in its text.

    >>> answer = '[[{"id": 5, "special": false, "start": 0, "stop": 5}, {"id": 9, "special": false, "start": 6, "stop": 8}]]'
    >>> read_spans(answer.encode(), ["caf\u00e9 au"])
    [[(0, 4), (5, 7)]]
    """
    answer = checked_json(content, mask)
    if not isinstance(answer, list) or len(answer) != len(texts):
        lists = len(answer) if isinstance(answer, list) else "no"
        raise UnusableAnswerError(f"the answer has {lists} lists of tokens for {len(texts)} texts")
    return [
        _spans_of(index, text, tokens, mask)
        for index, (text, tokens) in enumerate(zip(texts, answer, strict=True))
    ]


def _spans_of(index: int, text: str, tokens: Any, mask: Mask) -> list[Span]:
    if not isinstance(tokens, list):
        raise UnusableAnswerError(
            f"the tokens of text {index} are not a list: {shown(tokens, mask)}"
        )
    characters = character_starts(text)
    spans: list[Span] = []
    earliest = (0, 0)
    for token in tokens:
        if isinstance(token, dict) and token.get("special") is True:
            continue
        span = _span(token, characters)
        if span is None or span[0] < earliest[0] or span[1] < earliest[1]:
            raise UnusableAnswerError(
                f"a token of text {index} is not a span of its {len(characters) - 1} bytes, or stands before the "
                f"last one: {shown(token, mask)}"
            )
        spans.append(span)
        earliest = span
    return spans


def _span(token: Any, characters: Sequence[int]) -> Span | None:
    """Return a token's span in characters; `None` if it is not one."""
    ends = [token.get(end) for end in ("start", "stop")] if isinstance(token, dict) else [None]
    places = [characters[end] for end in ends if type(end) is int and 0 <= end < len(characters)]
    if len(places) < 2 or INSIDE in places or places[0] > places[1]:  # noqa: PLR2004 - both ends
        return None
    return places[0], places[1]


def character_starts(text: str) -> Sequence[int]:
    """Return the character that starts at each byte of a text in UTF-8, and at its end; -1 inside a character.

    >>> list(character_starts("\u00e9t"))
    [0, -1, 1, 2]
    """
    if text.isascii():
        return range(len(text) + 1)
    starts: list[int] = []
    for place, character in enumerate(text):
        starts.append(place)
        starts.extend([INSIDE] * (len(character.encode()) - 1))
    return [*starts, len(text)]
