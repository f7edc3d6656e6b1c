"""Split a request into parts that a server accepts. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Sequence

JSON_OVERHEAD = 3
"""Bytes of the quotes and the comma around each text."""
LARGEST_CHARACTER = 6
"""The most bytes of a character in JSON, as in `\\u0000`."""


def split(texts: Sequence[str], max_texts: int | None, max_bytes: int | None) -> list[range]:
    """Return the indices of each part's texts. Parts are consecutive, as few as possible, and not empty.

    Args:
        texts: The texts of the request.
        max_texts: The most texts of a part; `None` sets no limit.
        max_bytes: The most bytes of a part's texts in JSON; `None` sets no limit. A longer text is a part
            of its own.

    >>> split(["a", "b", "c"], max_texts=2, max_bytes=None)
    [range(0, 2), range(2, 3)]
    """
    most_bytes = LARGEST_CHARACTER * sum(map(len, texts)) + JSON_OVERHEAD * len(texts)
    if max_bytes is not None and most_bytes <= max_bytes:
        max_bytes = None  # the texts fit in any case, so none is measured
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
    r"""Return the number of bytes of a text in a JSON list.

    >>> json_bytes("é\n")
    7
    """
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2 + JSON_OVERHEAD
