"""The queue of passes keeps the order and the limit, and loses no request."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bge_rerank.scoring.passes import Queue, Request

requests = st.lists(st.integers(0, 9), min_size=1, max_size=6)
steps = st.lists(st.one_of(requests, st.just("take"), st.integers(0, 9)), max_size=40)


@given(steps, st.integers(1, 6))
def test_the_queue_keeps_the_order_and_the_limit_and_loses_no_request(
    steps: list[list[int] | str | int], max_pairs: int
) -> None:
    """Each list is a request for its pairs, and each number cancels a waiting request."""
    queue = Queue(max_pairs)
    waiting: list[Request] = []
    for step in [*steps, *["take"] * len(steps)]:
        if step == "take":
            taken = queue.take()
            assert taken == waiting[: len(taken)]
            assert len({pair for request in taken for pair in request.pairs}) <= max_pairs or (
                len(taken) == 1
            )
            del waiting[: len(taken)]
        elif isinstance(step, list):
            logits: Any = None
            request = Request(tuple(("q", str(number)) for number in step), 0.0, logits)
            queue.add(request)
            waiting.append(request)
        elif isinstance(step, int) and step < len(waiting):
            queue.discard(waiting.pop(step))
        assert [*queue.gathered, *queue.behind] == waiting
        assert queue.distinct == {pair for request in queue.gathered for pair in request.pairs}
        assert queue.gathered or not queue.behind
    assert waiting == []
