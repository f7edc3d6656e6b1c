"""Write the tokens of texts as the answer of `POST /tokenize`, in the format of Text Embeddings Inference 1.9."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import accumulate

from bge_rerank.backends.encoder.tokens import Tokens, TokensOf
from bge_rerank.types import Span

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
"""One for all tokens, because making an encoder takes longer than writing a token."""


def tokens_in_json(tokens_of: TokensOf, texts: Sequence[str], *, special: bool) -> list[bytes]:
    """Return the tokens of each text as a JSON list.

    Offsets count bytes of UTF-8, as in TEI. Each token is written directly, because an object for each token would take ten
    times as much memory.

    Args:
        tokens_of: Returns the tokens of texts.
        texts: The texts.
        special: Whether to add the special tokens of a single text.
    """
    tokenised = tokens_of(texts, special=special)
    return [_list(text, tokens).encode() for text, tokens in zip(texts, tokenised, strict=True)]


def _list(text: str, tokens: Tokens) -> str:
    starts = byte_starts(text)
    items = zip(tokens.ids, tokens.names, tokens.spans, tokens.added, strict=True)
    written = (
        _token(id_, name, None)
        if added
        else _token(id_, text[start:stop], (starts[start], starts[stop]))
        for id_, name, (start, stop), added in items
    )
    return f"[{','.join(written)}]"


def _token(id_: int, text: str, span: Span | None) -> str:
    start, stop = span or (None, None)
    fields = {"id": id_, "text": text, "special": span is None, "start": start, "stop": stop}
    return _ENCODER.encode(fields)


def byte_starts(text: str) -> Sequence[int]:
    """Return the byte at which each character of a text starts in UTF-8, and the one after its last.

    >>> list(byte_starts("\u00e9t"))
    [0, 2, 3]
    """
    if text.isascii():
        return range(len(text) + 1)
    return [*accumulate((len(character.encode()) for character in text), initial=0)]
