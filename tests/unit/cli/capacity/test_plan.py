"""The search finds the fewest machines, and says so if none is enough."""

from dataclasses import replace

from bge_rerank.cli.capacity.plan import MOST_LOAD, breaks_at, fewest_machines, measure
from bge_rerank.cli.capacity.rates import Rates
from bge_rerank.cli.capacity.simulation import Load

REQUESTS = 1_000
RATES = Rates("model", "machine", 10, {1: (0.09, 0.1, 0.11)})


def test_one_machine_fewer_does_not_keep_the_limit() -> None:
    load, limit = Load(30.0), 150.0
    point = fewest_machines(RATES, load, limit, REQUESTS)
    assert point is not None
    assert point.p99_ms.high <= limit
    assert measure(RATES, replace(load, machines=point.machines - 1), REQUESTS).p99_ms.high > limit


def test_no_machine_is_loaded_to_where_its_queue_breaks() -> None:
    point = fewest_machines(RATES, Load(50.0), 60_000, REQUESTS)
    assert point is not None
    assert point.machines == 6
    assert point.rate / point.machines <= MOST_LOAD * breaks_at(RATES)


def test_many_machines_are_found_to_a_percent() -> None:
    few, many = (fewest_machines(RATES, Load(rate), 300.0, REQUESTS) for rate in (100.0, 100_000.0))
    assert few is not None
    assert many is not None
    assert 0.85 < many.machines / 1_000 / few.machines < 1.02


def test_a_request_alone_that_is_too_slow_needs_more_than_machines() -> None:
    assert fewest_machines(RATES, Load(0.001), 105.0, REQUESTS) is None
    assert fewest_machines(RATES, Load(0.001), 115.0, REQUESTS) is not None


def test_a_prefilter_takes_its_time_from_the_limit() -> None:
    assert fewest_machines(replace(RATES, before=0.05), Load(0.001), 115.0, REQUESTS) is None


def test_shared_passes_and_a_cache_move_the_load_at_which_a_queue_breaks() -> None:
    assert breaks_at(RATES) == 10.0
    assert breaks_at(replace(RATES, seconds={**RATES.seconds, 4: (0.2,)})) == 20.0
    assert breaks_at(replace(RATES, lookup=0.05), hits=0.5) == 10.0


def test_the_search_ends_where_a_lone_request_is_just_about_fast_enough() -> None:
    times = tuple(0.1 + step / 1e5 for step in range(200))
    rates = replace(RATES, seconds={1: times})
    answers = [
        fewest_machines(rates, Load(5.0), limit / 10, 300) for limit in range(1_010, 1_031, 4)
    ]
    assert answers[0] is None
    assert answers[-1] is not None
