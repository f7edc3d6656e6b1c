"""The options of a plan of capacity, besides those of the model and of the server."""

from __future__ import annotations

from typing import Literal

from bge_rerank.models.options import Checked, above_zero, option, options, share, whole_from

Balancer = Literal["random", "least-busy", "one-queue"]
"""How requests find a machine: any machine; the machine with the fewest unanswered requests; or the first machine
that is free, as workers of one queue. No balancer waits less than the last one."""


@options
class PlanOptions(Checked):
    """The load of a plan, and the limit to keep.

    >>> PlanOptions(p99_ms=0)
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: p99_ms is 0; pass milliseconds above 0
    """

    depth: int = option(
        default=50,
        doc="How many passages a request has.",
        check=whole_from(1),
    )
    p99_ms: float = option(
        default=500.0,
        doc="The latency in milliseconds that 99 % of the requests must keep.",
        check=above_zero("milliseconds"),
    )
    peak: float = option(
        default=2.0,
        doc="The rate of the busiest minutes, divided by the mean of the day. 2 is the peak of a day whose load is a sine wave with a quiet night.",
        check=above_zero("a number"),
    )
    cache_hits: float = option(
        default=0.0,
        doc="The share of requests (0 to 1) that a score cache answers.",
        check=share("; pass a share of requests from 0 to 1"),
    )
    balancer: Balancer = option(
        default="least-busy",
        doc="How requests find a machine: 'random', 'least-busy' (the fewest unanswered requests) or 'one-queue' (the first free machine).",
    )
