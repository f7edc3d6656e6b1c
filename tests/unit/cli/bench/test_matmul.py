"""`MatmulRates` takes the fastest product of any library, timed long enough."""

import time

import pytest

from bge_rerank.cli.bench import matmul
from bge_rerank.cli.bench.matmul import MatmulRates


def test_the_rate_is_that_of_the_fastest_product_after_the_other_libraries_threads_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(matmul, "SECONDS", 0.05)
    rates = MatmulRates(hidden=8, intermediate=16, device="cpu")
    pauses = [0.002] * 8  # more than a fixed small number of calls

    def disturbed() -> None:
        time.sleep(pauses.pop() if pauses else 0)

    operations = 10**6
    rates._products = {
        "float32": [(lambda: time.sleep(0.002), operations), (disturbed, operations)]
    }
    assert rates.measure()["float32"] > operations / 0.001
