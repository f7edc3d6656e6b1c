"""The figures of an evaluation together: latencies by depth, verdicts, and the best model."""

from collections.abc import Sequence

import pytest

from bge_rerank.evaluation import evaluate
from bge_rerank.evaluation.report.markdown import as_markdown
from labelled_queries import Told, labelled_queries
from measured_depths import DEPTHS, evaluated


class Clock:
    """A clock that moves by a millisecond for each passage that is scored."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def perf_counter(self) -> float:
        return self.seconds


class Clocked(Told):
    """Moves the clock as it scores."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
        self.clock.seconds += len(pairs) / 1_000
        return super().score(pairs)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("bge_rerank.evaluation.measuring.time", clock)
    return clock


def test_the_latency_at_a_depth_is_that_of_ranking_its_candidates(clock: Clock) -> None:
    [told] = evaluated(scorer=Clocked(clock)).models
    took = [(point.latency.p50, point.latency.p95) for point in told.depths if point.latency]
    assert took == [pytest.approx((depth, depth)) for depth in DEPTHS]


def test_if_the_whole_depth_exceeds_the_budget_a_smaller_depth_is_recommended(clock: Clock) -> None:
    evaluation = evaluated(scorer=Clocked(clock), latency_budget_ms=5)
    [told] = evaluation.models
    assert (told.verdict.decision, told.recommended_depth) == ("rerank", 4)
    assert told.verdict.reasons[1].startswith("at depth 6, reranking is too slow: 6.0 ms")
    assert "Yes: rerank with told at depth 4." in as_markdown(evaluation)


def test_models_are_compared_at_their_recommended_depths(clock: Clock) -> None:
    queries = list(labelled_queries(60))
    models = {"slow": Clocked(clock), "fast": Told()}
    given = {"depth": 6, "depths": [2], "k": 3, "latency_budget_ms": 5}
    slow, fast = (found := evaluate(queries, models, **given)).models
    assert slow.changes[0].after == fast.changes[0].after
    assert (slow.recommended_depth, fast.recommended_depth) == (2, 6)
    assert found.best is fast
