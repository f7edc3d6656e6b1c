"""The growth of memory with the work done: a slope, with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

BLOCKS = 20
"""The interval is computed from the means of this many blocks, because neighbouring samples are alike."""


@dataclass(frozen=True, slots=True)
class Slope:
    """Bytes for each unit of work: the estimate, and its 95 % interval."""

    bytes: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.bytes:+,.1f} bytes each (95 %: {self.low:+,.1f} to {self.high:+,.1f})"


def memory_slope(work: Sequence[float], memory: Sequence[int]) -> Slope:
    """Fit a line through the memory (bytes) held after each amount of work.

    >>> memory_slope(range(100), [1_000 + 3 * done for done in range(100)])
    Slope(bytes=3.0, low=3.0, high=3.0)
    """
    blocks = min(BLOCKS, len(work))
    means = [
        [part.mean() for part in np.array_split(np.asarray(values), blocks)]
        for values in (work, memory)
    ]
    line = stats.linregress(*means)
    reach = stats.t.ppf(0.975, blocks - 2) * line.stderr
    rounded = (
        round(float(value), 6) for value in (line.slope, line.slope - reach, line.slope + reach)
    )
    return Slope(*rounded)
