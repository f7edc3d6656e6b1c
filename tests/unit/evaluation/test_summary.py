"""The figures of an evaluation together: times by depth, verdicts, and the best model."""

from collections.abc import Sequence

import pytest

from bge_rerank.evaluation import evaluate
from bge_rerank.evaluation.report.markdown import as_markdown
from labelled_queries import Told, labelled_queries
from measured_depths import DEPTHS, evaluated


class Clock:
    """A clock that goes on by a millisecond for each passage that is scored."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def perf_counter(self) -> float:
        return self.seconds


class Clocked(Told):
    """Takes the time of a clock."""

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


def test_the_times_are_those_of_ranking_so_many(clock: Clock) -> None:
    [told] = evaluated(scorer=Clocked(clock)).models
    took = [(point.latency.p50, point.latency.p95) for point in told.depths if point.latency]
    assert took == [pytest.approx((depth, depth)) for depth in DEPTHS]


def test_a_whole_depth_that_breaks_the_budget_gives_way_to_one_that_keeps_it(clock: Clock) -> None:
    evaluation = evaluated(scorer=Clocked(clock), latency_budget_ms=5)
    [told] = evaluation.models
    assert (told.verdict.decision, told.recommended_depth) == ("rerank", 4)
    assert told.verdict.reasons[1].startswith("at depth 6, it is too slow: 6.0 ms")
    assert "Yes: rerank with told at depth 4." in as_markdown(evaluation)


def test_models_are_compared_at_the_depths_that_are_recommended(clock: Clock) -> None:
    queries = list(labelled_queries(60))
    models = {"slow": Clocked(clock), "fast": Told()}
    given = {"depth": 6, "depths": [2], "k": 3, "latency_budget_ms": 5}
    slow, fast = (found := evaluate(queries, models, **given)).models
    assert slow.changes[0].after == fast.changes[0].after
    assert (slow.recommended_depth, fast.recommended_depth) == (2, 6)
    assert found.best is fast
