"""Reading JSONL: an object a line, and where it stands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bge_rerank.errors import InvalidInputError


def read_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the place (`file:line`) and the object of each line that is not empty, one at a time.

    Raises:
        InvalidInputError: The file cannot be read, or a line is no UTF-8 or no JSON object.
    """
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                place = f"{path}:{number}"
                text = _decoded(line, place)
                if text.strip():
                    yield place, parse_object(text, place)
    except OSError as error:
        raise InvalidInputError(f"cannot read {str(path)!r}: {error.strerror}") from error


def parse_object(line: str, place: str) -> dict[str, Any]:
    """Return the object of a line.

    Raises:
        InvalidInputError: It is no JSON object; `place` stands in front of what is wrong.

    >>> parse_object("[1]", "data.jsonl:7")
    Traceback (most recent call last):
    bge_rerank.errors.InvalidInputError: data.jsonl:7: [1] is no JSON object; give one a line
    """
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{place}: no JSON ({error})") from error
    if not isinstance(fields, dict):
        raise InvalidInputError(f"{place}: {line.strip():.80} is no JSON object; give one a line")
    return fields


def _decoded(line: bytes, place: str) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{place}: cannot read it as UTF-8 ({error.reason})") from error
