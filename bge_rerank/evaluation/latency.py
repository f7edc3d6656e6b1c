"""`latency_of`: from times to percentiles."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import quantiles

from bge_rerank.evaluation.result import Latency


def latency_of(milliseconds: Sequence[float]) -> Latency:
    """Return the median and the 95th percentile of two times or more, between which it interpolates.

    >>> latency_of([10.0, 20.0, 30.0])
    Latency(p50=20.0, p95=29.0)
    """
    parts = quantiles(milliseconds, n=100, method="inclusive")
    return Latency(p50=parts[49], p95=parts[94])
