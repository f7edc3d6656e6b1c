"""Switch off Ray's usage reports, unless the user has decided about them."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "RAY_USAGE_STATS_ENABLED"
"""The variable that Ray reads when it starts a cluster. `0` switches its reports off."""
CONFIG_VARIABLE = "RAY_USAGE_STATS_CONFIG_PATH"
CONFIG = Path(".ray") / "config.json"
"""The file in the user's home in which `ray disable-usage-stats` and `ray enable-usage-stats` save the choice."""


def ray_reports_nothing() -> None:
    """Set Ray's variable for this process and those that it starts. A choice of the user stays.

    A cluster that is running keeps the choice of whoever started it.
    """
    config = os.environ.get(CONFIG_VARIABLE) or Path.home() / CONFIG
    if not Path(config).exists():
        os.environ.setdefault(VARIABLE, "0")
