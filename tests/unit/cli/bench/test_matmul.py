"""`MatmulRates` takes the fastest product of any library, timed long enough."""

import timeit
from collections.abc import Callable

import pytest

from bge_rerank.cli.bench import matmul
from bge_rerank.cli.bench.matmul import MatmulRates

OPERATIONS = 10**6


def test_the_rate_is_that_of_the_fastest_product_after_the_threads_of_others_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    undisturbed_from: list[float] = []

    def timed(run: Callable[[], object], number: int) -> float:
        assert number == 1
        before = now[0]
        run()
        return now[0] - before

    def slow() -> None:
        now[0] += 0.002

    def disturbed_at_first() -> None:
        undisturbed_from.append(now[0] + 0.02)
        now[0] += 0.004 if now[0] < undisturbed_from[0] else 0.001

    monkeypatch.setattr(matmul, "monotonic", lambda: now[0])
    monkeypatch.setattr(timeit, "timeit", timed)
    rates = MatmulRates(hidden=8, intermediate=16, device="cpu")
    rates._products = {"float32": [(slow, OPERATIONS), (disturbed_at_first, OPERATIONS)]}
    assert rates.measure() == {"float32": pytest.approx(OPERATIONS / 0.001)}
