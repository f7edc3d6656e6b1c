"""The CPU: the number of cores that this process may use, and the instructions that they have."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")


def usable_cores() -> int:
    """Return the number of cores that this process may use.

    >>> usable_cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_has_bfloat16() -> bool:
    """Return whether the CPU has instructions to multiply bfloat16 matrices. On other systems than Linux the answer is no."""
    return not cpu_flags().isdisjoint(("avx512_bf16", "amx_bf16", "bf16"))


@cache
def cpu_flags() -> frozenset[str]:
    """Return Linux's names of the CPU's instruction sets. On other systems, return none."""
    return frozenset(cpu_info("flags|Features").split())


def cpu_info(field: str) -> str:
    """Return a field of Linux's description of the first core; on other systems an empty string."""
    if not _CPU_INFO.exists():
        return ""
    found = re.search(
        rf"^(?:{field})\s*:\s*(.*)$", _CPU_INFO.read_text(encoding="utf-8"), re.MULTILINE
    )
    return found[1] if found else ""
