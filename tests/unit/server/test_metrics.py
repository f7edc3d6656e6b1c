"""The metrics count each pass over the model, and its pairs."""

import asyncio

from bge_rerank.server.options import Limits
from bge_rerank.server.ranking_service import RankingService
from counted_scorer import Counted


async def stays() -> None:
    await asyncio.Event().wait()


async def test_the_metrics_count_passes_and_pairs() -> None:
    scorer = Counted()
    service = RankingService(scorer, Limits(), pass_pairs=4, wait_ms=1.0)
    await service.rank("q", ["a" * (1 + place) for place in range(10)], stays)
    assert [len(pairs) for pairs in scorer.passes] == [4, 4, 2]
    text = service.metrics.text().decode()
    assert "te_batch_next_size_sum 10.0" in text
    assert "te_batch_next_size_count 3.0" in text
    assert "te_request_inference_duration_count 3.0" in text
