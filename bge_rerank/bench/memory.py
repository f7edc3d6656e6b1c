"""How much memory this process holds, and held at most, in bytes."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_FORGET = Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"


def resident() -> int:
    """Return what is in memory now; where the system does not tell, the peak."""
    return _status("VmRSS") or _peak_by_getrusage()


def peak() -> int:
    """Return the most that was in memory at a time, since the start or `forget_peak`.

    Linux says so for the program alone; `getrusage` counts what the parent held at its start too.

    >>> 0 < resident() <= peak() * 1.1
    True
    """
    return _status("VmHWM") or _peak_by_getrusage()


def forget_peak() -> None:
    """Let the peak start anew from what is in memory now, where the system can (Linux)."""
    # Where it may not, as in some containers, the peak is that since the start.
    with suppress(OSError):
        _FORGET.write_text(_FORGET_PEAK, encoding="ascii")


def _status(field: str) -> int:
    if not _STATUS.exists():
        return 0
    found = re.search(rf"^{field}:\s+(\d+) kB$", _STATUS.read_text(encoding="ascii"), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _peak_by_getrusage() -> int:
    import resource
    import sys

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
