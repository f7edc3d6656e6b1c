"""`fewest_machines`: search the fewest machines that keep a limit of latency, by simulations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import ceil, inf, sqrt
from statistics import mean, median, stdev

from bge_rerank.cli.capacity.rates import Rates
from bge_rerank.cli.capacity.simulation import REQUESTS, Load, Simulated, simulate

SEEDS = 5
STUDENT = 2.776
"""The 97.5 % quantile of Student's t with `SEEDS` - 1 degrees of freedom."""
SIMULATED = 16
"""The most machines of a simulation. More machines are simulated by these, with the same load each. This is on the
safe side: the more machines, the rarer all of them are busy."""
MOST_LOAD = 0.9
"""The most load of a plan, as a share of the load at which the queue breaks. Nearer to it a queue takes longer to
settle than a simulation lasts, so its p99 would look too low."""
LEAST_LOAD = 0.001
"""Machines with less than this share of the load at which their queue breaks hardly wait. More of them do not help."""
PRECISION = 0.01
"""The search stops if the number of machines is known to this share."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The mean of several simulations, and the 95 % interval of this mean."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Point:
    """The simulated latency under a load.

    Attributes:
        machines: The number of machines.
        rate: The requests a second, of all machines together.
        p50_ms: The median latency.
        p99_ms: The 99th percentile of the latency.
        busy: The share of time (0 to 1) in which a machine computes.
    """

    machines: int
    rate: float
    p50_ms: Estimate
    p99_ms: Estimate
    busy: Estimate


def measure(rates: Rates, load: Load, requests: int = REQUESTS) -> Point:
    """Simulate a load with `SEEDS` seeds.

    Of more than `SIMULATED` machines only that number is simulated, with the same load each. With the balancer
    `"random"` each machine is a queue of its own, so one is simulated.
    """
    simulated = 1 if load.balancer == "random" else min(load.machines, SIMULATED)
    part = replace(load, machines=simulated, rate=load.rate * simulated / load.machines)
    runs = [simulate(rates, part, seed, requests) for seed in range(SEEDS)]
    return Point(
        load.machines,
        load.rate,
        _estimate(runs, lambda run: 1e3 * median(run.latencies)),
        _estimate(runs, lambda run: 1e3 * p99(run.latencies)),
        _estimate(runs, lambda run: run.busy),
    )


def p99(latencies: Iterable[float]) -> float:
    """Return the smallest latency that 99 % of the requests do not exceed.

    >>> p99(range(1, 101))
    99
    """
    ordered = sorted(latencies)
    return ordered[ceil(0.99 * len(ordered)) - 1]


def breaks_at(rates: Rates, hits: float = 0.0) -> float:
    """Return the requests a second of one machine from which on its queue grows without end.

    >>> breaks_at(Rates("m", "a machine", 10, {1: (0.1,)}), hits=0.5)
    20.0
    """
    seconds = (1 - hits) / rates.most + (rates.lookup if hits else 0.0)
    return 1 / seconds if seconds else inf


def alone(rates: Rates, load: Load, requests: int = REQUESTS) -> Point:
    """Return the latency if hardly a request meets another one. No number of machines is faster."""
    return measure(rates, replace(load, machines=1, rate=1e-4 / rates.alone), requests)


def fewest_machines(
    rates: Rates, load: Load, p99_ms: float, requests: int = REQUESTS
) -> Point | None:
    """Search the fewest machines that keep p99 at or below a limit, with the whole interval.

    Args:
        rates: The times of one machine.
        load: The load; its number of machines is ignored.
        p99_ms: The limit in milliseconds.
        requests: The requests of each simulation.

    Returns:
        The point with the fewest machines. `None` if one request alone already takes longer, so that
        no number of machines helps.

    >>> rates = Rates("m", "a machine", 10, {1: (0.1,)})
    >>> fewest_machines(rates, Load(rate=9.5), p99_ms=500, requests=1_000).machines
    2
    >>> fewest_machines(rates, Load(rate=9.5), p99_ms=99, requests=1_000) is None
    True
    """
    if alone(rates, load, requests).p99_ms.high > p99_ms:
        return None
    few = ceil(load.rate / breaks_at(rates, load.hits) / MOST_LOAD) - 1
    step, kept = 1, None
    while kept is None or kept.machines - few > max(1, PRECISION * kept.machines):
        many = few + step if kept is None else (few + kept.machines) // 2
        point = measure(rates, replace(load, machines=many), requests)
        if point.p99_ms.high <= p99_ms:
            kept = point
        elif load.rate / many < LEAST_LOAD * breaks_at(rates, load.hits):
            return None
        else:
            few, step = many, max(2 * step, ceil(many / 8))
    return kept


def _estimate(runs: Iterable[Simulated], figure: Callable[[Simulated], float]) -> Estimate:
    figures = [figure(run) for run in runs]
    half = STUDENT * stdev(figures) / sqrt(len(figures))
    return Estimate(mean(figures), max(mean(figures) - half, 0.0), mean(figures) + half)
