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
        InvalidInputError: The file cannot be read, or a line is no JSON object.
    """
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield f"{path}:{number}", _object(line, f"{path}:{number}")
    except OSError as error:
        raise InvalidInputError(f"cannot read {str(path)!r}: {error.strerror}") from error


def _object(line: bytes, place: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{place}: no JSON ({error})") from error
    if not isinstance(fields, dict):
        raise InvalidInputError(f"{place}: no JSON object; write one a line")
    return fields
