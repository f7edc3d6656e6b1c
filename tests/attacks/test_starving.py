"""A large call or a client with long texts does not hold up other calls. The tests count batches, not seconds."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bge_rerank import load_scorer
from bge_rerank.backends.encoder.pool import BATCHES_AHEAD
from bge_rerank.scoring import loading
from bge_rerank.scoring.passes import LARGE_AT_ONCE
from bge_rerank.server.options import Limits
from bge_rerank.server.ranking_service import RankingService

SENTENCE = "The Moon's gravity raises two bulges of water on opposite sides of the Earth. "
LARGE = [("what causes tides", f"{number} " + SENTENCE * 40) for number in range(400)]
SMALL = [("what causes tides", "Bread rises."), ("what causes tides", "The Moon raises the tides.")]


class Batches:
    """A counter of the batches that a model has run. `some` waits for the first three."""

    def __init__(self) -> None:
        self.run = 0
        self._some = threading.Event()

    def __call__(self, *_: object) -> None:
        self.run += 1
        if self.run >= 3:
            self._some.set()

    async def some(self) -> None:
        assert await asyncio.to_thread(self._some.wait, 60)


@pytest.fixture
def lazy(tiny_reranker: Path) -> Iterator[Any]:
    """Yield a small model on the CPU, with batches of about four long pairs."""
    yield load_scorer(
        str(tiny_reranker),
        "torch",
        device="cpu",
        dtype="float32",
        max_length=96,
        max_batch_tokens=400,
    )
    loading._loaded.clear()


@pytest.fixture
def batches(lazy: Any) -> Batches:
    counted = Batches()
    lazy.loaded().model.get_input_embeddings().register_forward_pre_hook(counted)
    return counted


def test_a_cancelled_large_call_stops_and_the_event_loop_ends(lazy: Any, batches: Batches) -> None:
    async def cancel_it() -> int:
        large = asyncio.create_task(lazy.ascore(LARGE))
        await batches.some()
        large.cancel()
        await asyncio.gather(large, return_exceptions=True)
        return batches.run

    at_once = asyncio.run(cancel_it())
    # `asyncio.run` has waited for the thread. Only the batches that were handed over can have run.
    assert batches.run <= at_once + BATCHES_AHEAD + 1 < 20
    assert lazy.score(SMALL) == lazy.score(SMALL)


async def test_a_small_call_beside_a_large_one_waits_for_few_of_its_batches(
    lazy: Any, batches: Batches
) -> None:
    large = asyncio.create_task(lazy.ascore(LARGE))
    await batches.some()
    small = await lazy.ascore(SMALL)
    meanwhile = batches.run
    scores = await large
    # The large call has a hundred batches. With so small a model, some of them run before the calls meet.
    assert meanwhile < batches.run / 2
    assert small == lazy.score(SMALL)
    # The batches of the large call are the same as without the small call.
    assert scores == lazy.score(LARGE)


async def test_a_small_request_beside_many_large_ones_waits_for_few_batches(
    lazy: Any, batches: Batches
) -> None:
    limits = Limits(max_waiting_texts=10**6)
    service = RankingService(lazy.loaded(), limits, pass_pairs=32, wait_ms=1.0)

    async def never() -> None:
        await asyncio.Event().wait()

    texts = [text for _, text in LARGE]
    large = [
        asyncio.create_task(service.rank(f"what causes tides {n}", texts, never)) for n in range(10)
    ]
    await batches.some()
    waited = []
    for _ in range(5):
        before = batches.run
        await service.rank("what causes tides", [text for _, text in SMALL], never)
        waited.append(batches.run - before)
    for call in large:
        call.cancel()
    await asyncio.gather(*large, return_exceptions=True)
    # In each round, every running large request gets one batch. All requests have a thousand batches.
    assert sorted(waited)[2] <= 20 * LARGE_AT_ONCE


async def test_the_first_call_of_a_process_does_not_hold_up_others(lazy: Any) -> None:
    assert lazy.config not in loading._loaded
    large = asyncio.create_task(lazy.ascore(LARGE))
    await asyncio.sleep(0)
    assert await lazy.ascore(SMALL) == lazy.score(SMALL)
    large.cancel()
    await asyncio.gather(large, return_exceptions=True)


def test_awaited_scores_equal_those_of_a_blocking_call_to_the_last_bit() -> None:
    scorer = load_scorer("mini", "torch", dtype="float32")
    pairs = [("what causes tides", f"{n} " + SENTENCE * (n % 9)) for n in range(64)]
    assert asyncio.run(scorer.ascore(pairs)) == scorer.score(pairs)
