"""The simulation agrees with the formulas of queueing theory, and gathers as the server does."""

from math import factorial, log, sqrt
from statistics import mean, stdev

import pytest

from bge_rerank.cli.capacity.rates import Rates
from bge_rerank.cli.capacity.simulation import Load, simulate

SEEDS, REQUESTS = 10, 2_000
ERRORS = 4
"""How many standard errors a mean may be off."""
CONSTANT = (0.1,)
EXPONENTIAL = tuple(-0.1 * log(1 - (step + 0.5) / 20_000) for step in range(20_000))


def rates(*alone: float, **others) -> Rates:
    return Rates("model", "machine", 10, {1: alone}, **others)


def means(given: Rates, load: Load) -> list[float]:
    return [mean(simulate(given, load, seed, REQUESTS).latencies) for seed in range(SEEDS)]


def agrees(found: list[float], expected: float) -> bool:
    error = stdev(found) / sqrt(len(found))
    assert error < 0.06 * expected, "too imprecise to tell"
    return abs(mean(found) - expected) <= ERRORS * error


def erlang_c(machines: int, load: float) -> float:
    """Return the probability that a request waits, for a load of `load` busy machines."""
    full = load**machines / factorial(machines) / (1 - load / machines)
    return full / (sum(load**k / factorial(k) for k in range(machines)) + full)


@pytest.mark.parametrize("times", [CONSTANT, EXPONENTIAL], ids=["M/D/1", "M/M/1"])
@pytest.mark.parametrize("busy", [0.3, 0.7])
def test_one_machine_waits_as_pollaczek_and_khinchine_say(times, busy: float) -> None:
    rate = busy / mean(times)
    waiting = rate * mean(time**2 for time in times) / (2 * (1 - busy))
    found = means(rates(*times), Load(rate))
    assert agrees(found, mean(times) + waiting)
    assert not agrees(found, mean(times) + 1.4 * waiting)


def test_machines_of_one_queue_wait_as_erlang_says() -> None:
    rate, machines = 32.0, 4
    service = mean(EXPONENTIAL)
    waiting = erlang_c(machines, rate * service) / (machines / service - rate)
    found = means(rates(*EXPONENTIAL), Load(rate, machines, "one-queue"))
    assert agrees(found, service + waiting)


def test_random_machines_are_queues_apart_and_the_least_busy_one_lies_between() -> None:
    service, rate = mean(EXPONENTIAL), 20.0
    apart = service / (1 - rate * service / 4)
    at_random, least, one_queue = (
        means(rates(*EXPONENTIAL), Load(rate, 4, balancer))
        for balancer in ("random", "least-busy", "one-queue")
    )
    assert agrees(at_random, apart)
    assert mean(one_queue) < mean(least) < 0.8 * mean(at_random)


def test_requests_that_alternate_take_as_long_as_processor_sharing_says() -> None:
    given = rates(*CONSTANT, turns=6, at_once=20)
    found = means(given, Load(rate=5.0))
    assert agrees(found, 0.1 / (1 - 0.5))


def test_a_machine_is_busy_for_its_share_of_the_load() -> None:
    found = [
        simulate(rates(*CONSTANT), Load(12.0, 2), seed, REQUESTS).busy for seed in range(SEEDS)
    ]
    assert agrees(found, 0.6)


def test_a_lone_request_waits_for_others_and_a_full_pass_does_not() -> None:
    shared = Rates("model", "machine", 10, {1: (0.1,), 2: (0.1,)})
    lone = simulate(shared, Load(0.001, wait=0.5), seed=0, requests=200)
    assert lone.latencies == pytest.approx([0.6] * 160)
    crowded = simulate(shared, Load(10.0, wait=5.0), seed=0, requests=200)
    assert min(crowded.latencies) < 0.6


def test_requests_that_arrive_during_a_pass_share_the_next_one() -> None:
    load, alone = Load(15.0, wait=0.0), {1: (0.1,)}
    shared = Rates("model", "machine", 10, alone | {4: (0.1,)})
    assert max(simulate(shared, load, seed=0).latencies) < 0.5
    assert max(simulate(rates(0.1), load, seed=0).latencies) > 10


def test_a_cached_request_takes_a_look_up() -> None:
    given = rates(*CONSTANT, lookup=0.002)
    cached = simulate(given, Load(0.01, hits=1.0), seed=0, requests=100)
    assert cached.latencies == pytest.approx([0.002] * 80)
    half = simulate(given, Load(6.0, hits=0.5), seed=0)
    assert half.busy == pytest.approx(0.3, rel=0.1)


def test_a_seed_fixes_a_simulation() -> None:
    load = Load(9.0, 2)
    assert simulate(rates(0.1), load, 3, 500) == simulate(rates(0.1), load, 3, 500)
    assert simulate(rates(0.1), load, 3, 500) != simulate(rates(0.1), load, 4, 500)
