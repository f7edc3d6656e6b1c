"""Cutting a request into parts that a server takes. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Sequence

JSON_OVERHEAD = 3
"""Quotes and a comma around each text."""
LARGEST_CHARACTER = 6
"""The most bytes of a character in JSON: `\\u0000`."""


def split(texts: Sequence[str], max_texts: int | None, max_bytes: int | None) -> list[range]:
    """Return the places of each part's texts: consecutive, as few parts as fit, none empty.

    A part's texts take at most `max_bytes` bytes in JSON. A text that takes more is a part of its own.

    >>> split(["a", "b", "c"], max_texts=2, max_bytes=None)
    [range(0, 2), range(2, 3)]
    """
    most_bytes = LARGEST_CHARACTER * sum(map(len, texts)) + JSON_OVERHEAD * len(texts)
    if max_bytes is not None and most_bytes <= max_bytes:
        max_bytes = None  # what fits in any case need not be measured
    parts: list[range] = []
    start = taken = 0
    for place, text in enumerate(texts):
        size = 0 if max_bytes is None else json_bytes(text)
        is_full = max_texts is not None and place - start >= max_texts
        if place > start and (is_full or (max_bytes is not None and taken + size > max_bytes)):
            parts.append(range(start, place))
            start, taken = place, 0
        taken += size
    return [*parts, range(start, len(texts))] if texts else []


def json_bytes(text: str) -> int:
    r"""Return the bytes of a text in a JSON list.

    >>> json_bytes("é\n")
    7
    """
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2 + JSON_OVERHEAD
