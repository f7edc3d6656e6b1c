"""Settings as rows of a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def settings_rows(settings: Mapping[str, Any], of: str = "") -> dict[str, str]:
    """Name each setting, those inside others with their names in front; what is `None` is left out.

    >>> settings_rows({"k": 10, "data": {"split": "dev"}, "scorer": {"device": None}})
    {'k': '10', 'data.split': 'dev'}
    """
    rows: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            rows |= settings_rows(value, f"{of}{name}.")
        elif value is not None:
            rows[f"{of}{name}"] = value if isinstance(value, str) else json.dumps(value)
    return rows
