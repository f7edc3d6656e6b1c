"""The instructions of the CPU, and the sizes of batches that follow from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

Unit = Literal["amx", "avx512", "other"]
"""The instructions that multiply matrices: AMX, AVX-512 for a lower precision, or others."""

_CPU_INFO = Path("/proc/cpuinfo")

_FLAGS: Mapping[str, Mapping[Unit, str]] = {
    "bfloat16": {"amx": "amx_bf16", "avx512": "avx512_bf16"},
    "int8": {"amx": "amx_int8", "avx512": "avx512_vnni"},
}
"""Linux's names of the instructions for each lower precision, the fastest first."""


@dataclass(frozen=True, slots=True)
class BatchSizes:
    """How a backend divides pairs into batches.

    Attributes:
        max_tokens: The token budget of a batch.
        cost: The fixed cost of a batch, in tokens.
        reason: Why these numbers were chosen, for the log.
    """

    max_tokens: int
    cost: int
    reason: str


@cache
def cpu_info(field: str) -> str:
    """Return a field of the first CPU in Linux's `/proc/cpuinfo`; `""` on other systems."""
    if not _CPU_INFO.exists():
        return ""
    found = re.search(
        rf"^(?:{field})\s*:\s*(.*)$", _CPU_INFO.read_text(encoding="utf-8"), re.MULTILINE
    )
    return found[1] if found else ""


def cpu_flags() -> frozenset[str]:
    """Return Linux's names of the CPU's instruction sets. On other systems, return none."""
    return frozenset(cpu_info("flags|Features").split())


def cpu_has_bfloat16() -> bool:
    """Return whether the CPU has instructions to multiply bfloat16 matrices. On other systems than Linux the answer is no."""
    return not cpu_flags().isdisjoint(("avx512_bf16", "amx_bf16", "bf16"))


def matrix_unit(precision: str, flags: frozenset[str]) -> Unit:
    """Return the fastest instructions that a CPU has for products in a precision.

    >>> matrix_unit("bfloat16", frozenset({"amx_bf16", "avx512_bf16"}))
    'amx'
    >>> matrix_unit("float32", frozenset({"amx_bf16", "avx512_bf16"}))
    'other'
    """
    for unit, flag in _FLAGS.get(precision, {}).items():
        if flag in flags:
            return unit
    return "other"
