"""The instructions of the CPU, which of two products it computes faster, and the sizes of batches that follow."""

from __future__ import annotations

import math
import re
import timeit
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

Unit = Literal["amx", "avx512", "other"]
"""The instructions that multiply matrices in a precision: AMX, AVX-512, or others."""

ROWS_A_THREAD, WIDTH, MOST_THREADS = 256, 1_024, 16
"""The size of the products that are timed. Each thread has work for about 3 ms, so that starting it does not count."""
ROUNDS = 5
"""How often `is_faster` times each call. The first time is not the fastest, because the call prepares itself."""
GAIN = 1.2
"""How many times as fast a lower precision must be. For less, the exact numbers of float32 are worth more."""

_CPU_INFO = Path("/proc/cpuinfo")

_FLAGS: Mapping[str, Mapping[Unit, str]] = {
    "float32": {"avx512": "avx512f"},
    "bfloat16": {"amx": "amx_bf16", "avx512": "avx512_bf16"},
    "int8": {"amx": "amx_int8", "avx512": "avx512_vnni"},
}
"""Linux's names of the instructions for each precision, the fastest first."""


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


def bfloat16_is_faster(
    product: Callable[[str, int, int], Callable[[], object]], threads: int
) -> bool:
    """Return whether a library multiplies bfloat16 matrices clearly faster than float32 ones on this CPU.

    Instructions alone do not tell: on two cores of an Intel CPU with AVX-512 bf16 but no AMX, bfloat16 took twice as long as
    float32. Without instructions the answer is no, and with AMX it is yes. Otherwise both are timed, in some 0.1 s.

    Args:
        product: Takes a precision, a number of rows and a width. Returns a call that multiplies states of that shape by
            square weights.
        threads: The threads that the library uses.
    """
    if not cpu_has_bfloat16():
        return False
    if matrix_unit("bfloat16", cpu_flags()) == "amx":
        return True
    rows = ROWS_A_THREAD * min(threads, MOST_THREADS)
    return is_faster(product("bfloat16", rows, WIDTH), product("float32", rows, WIDTH))


def is_faster(call: Callable[[], object], other: Callable[[], object]) -> bool:
    """Return whether a call takes at least a sixth less time than another. Both take turns, and their fastest runs count.

    >>> is_faster(lambda: sum(range(10)), lambda: sum(range(100_000)))
    True
    """
    seconds = others_seconds = math.inf
    for _ in range(ROUNDS):
        seconds = min(seconds, timeit.timeit(call, number=1))
        others_seconds = min(others_seconds, timeit.timeit(other, number=1))
    return seconds * GAIN < others_seconds


def matrix_unit(precision: str, flags: frozenset[str]) -> Unit:
    """Return the fastest instructions that a CPU has for products in a precision.

    >>> matrix_unit("bfloat16", frozenset({"amx_bf16", "avx512_bf16"}))
    'amx'
    >>> matrix_unit("float32", frozenset({"amx_bf16", "avx512_bf16", "avx512f"}))
    'avx512'
    """
    for unit, flag in _FLAGS.get(precision, {}).items():
        if flag in flags:
            return unit
    return "other"
