"""A file of JSON lines to which a run appends, so that a later run can continue after the last whole line.

The first line holds the settings of the run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def json_line(fields: Mapping[str, Any]) -> bytes:
    r"""Return an object as a line.

    >>> json_line({"depth": 50})
    b'{"depth": 50}\n'
    """
    return json.dumps(fields).encode() + b"\n"


def whole_lines(path: Path) -> int:
    """Return the byte at which the last whole line of a file ends."""
    end = 0
    with path.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                break
            end += len(line)
    return end


def differing(there: Mapping[str, Any], here: Mapping[str, Any], of: str = "") -> list[str]:
    """Say which settings differ; a nested setting has the names around it in front.

    >>> differing({"depth": 50, "data": {"split": "dev"}}, {"depth": 20, "data": {"split": "test"}})
    ['data.split was "dev" and is "test"', 'depth was 50 and is 20']
    >>> differing({"models": {"mini": {"top_n": 3}}}, {"models": {"base": {"top_n": 3}}})
    ['models.base is new', 'models.mini is missing']
    """
    changed = []
    for name in sorted({*there, *here}):
        was, is_ = there.get(name), here.get(name)
        if isinstance(was, dict) and isinstance(is_, dict):
            changed += differing(was, is_, f"{of}{name}.")
        elif was != is_:
            changed.append(f"{of}{name} {_change(was, is_)}")
    return changed


def _change(was: Any, is_: Any) -> str:
    """Say how a setting changed. A group of settings would be too long to show."""
    if isinstance(was, dict):
        return "is missing"
    if isinstance(is_, dict):
        return "is new"
    shown = ["not set" if value is None else json.dumps(value) for value in (was, is_)]
    return f"was {shown[0]} and is {shown[1]}"
