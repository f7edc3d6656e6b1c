"""The verdict where several depths were measured."""

import random
from collections.abc import Mapping

import pytest

from bge_rerank.evaluation.depth_verdict import decide_by_depth
from bge_rerank.evaluation.result import Change, DepthPoint, Latency, Verdict
from bge_rerank.evaluation.verdict import Demands, decide

BEFORE = 0.5
K = 10


def judged(
    means: Mapping[int, float],
    demands: Demands | None = None,
    *,
    half_width: float = 0.02,
    timed: bool = True,
) -> tuple[Verdict, int | None]:
    """Judge depths by their means; each candidate takes a millisecond."""
    demands = demands or Demands()
    draw = random.Random(2)
    points = [
        DepthPoint(
            depth,
            after,
            after - BEFORE - half_width,
            after - BEFORE + half_width,
            Latency(depth / 2, float(depth)) if timed else None,
        )
        for depth, after in means.items()
    ]
    last = points[-1]
    whole = Change(
        "nDCG@10", BEFORE, last.after, last.after - BEFORE, last.low, last.high, p_value=0.5
    )
    latency = Latency(last.depth / 2, float(last.depth))
    verdict = decide(whole, latency, K, demands, smaller_depths=timed and len(points) > 1)
    values = {
        depth: [draw.gauss(after, half_width) for _ in range(200)] for depth, after in means.items()
    }
    return decide_by_depth(verdict, whole, points, values, k=K, demands=demands)


def test_less_depth_that_is_as_good_is_recommended() -> None:
    verdict, depth = judged({5: 0.55, 20: 0.7, 100: 0.7})
    assert (verdict.decision, depth) == ("rerank", 20)
    assert "nDCG@10 goes from 0.500 to 0.700" in verdict.reasons[0]
    assert verdict.reasons[1].startswith("depth 20 is recommended: ")


def test_the_whole_depth_is_recommended_where_nothing_less_will_do() -> None:
    verdict, depth = judged({5: 0.55, 20: 0.6, 100: 0.7})
    assert (verdict.decision, depth) == ("rerank", 100)
    assert "no smaller one that is worth it" in verdict.reasons[1]


def test_a_whole_depth_that_is_too_slow_gives_way_to_one_that_is_not() -> None:
    verdict, depth = judged({5: 0.55, 20: 0.6, 100: 0.7}, Demands(latency_budget_ms=50))
    assert (verdict.decision, depth) == ("rerank", 20)
    gain, against, why = verdict.reasons
    assert gain.startswith("at depth 20, nDCG@10 goes from 0.500 to 0.600")
    assert "20.0 ms a query" in gain
    assert against.startswith("at depth 100, it is too slow: 100.0 ms")
    assert "less depth" not in against
    assert "depth 20 is recommended" in why


def test_a_budget_that_no_depth_keeps_leaves_none() -> None:
    verdict, depth = judged({20: 0.6, 100: 0.7}, Demands(latency_budget_ms=10))
    assert (verdict.decision, depth) == ("do not rerank", None)
    assert verdict.reasons[-1] == "no smaller depth is worth it either"


def test_a_whole_depth_that_harms_gives_way_to_one_that_helps() -> None:
    verdict, depth = judged({20: 0.7, 50: 0.6, 500: 0.4})
    assert (verdict.decision, depth) == ("rerank", 20)
    assert "at depth 500, it makes the ranking worse" in verdict.reasons[1]


@pytest.mark.parametrize(
    ("means", "demands"),
    [
        ({5: 0.51, 20: 0.52}, Demands()),
        ({5: 0.45, 20: 0.4}, Demands()),
        ({5: 0.6, 20: 0.7}, Demands(target=0.5)),
        ({5: 0.6, 20: 0.7}, Demands(corpus_size=10)),
    ],
)
def test_what_holds_at_all_depths_is_no_case_for_any(
    means: dict[int, float], demands: Demands
) -> None:
    verdict, depth = judged(means, demands, half_width=0.005)
    assert (verdict.decision, depth) == ("do not rerank", None)


def test_without_times_a_budget_is_judged_at_the_whole_depth_alone() -> None:
    means = {5: 0.6, 20: 0.7}
    assert judged(means, timed=False)[1] == 20
    fits, none = judged(means, Demands(latency_budget_ms=50), timed=False)
    assert (fits.decision, none) == ("rerank", None)
    slow, none = judged(means, Demands(latency_budget_ms=10), timed=False)
    assert (slow.decision, none) == ("do not rerank", None)
    assert "or less depth" in slow.reasons[0]
    assert len(slow.reasons) == 1


def test_one_depth_has_its_verdict_and_no_more_words() -> None:
    verdict, depth = judged({20: 0.7})
    assert (verdict.decision, depth, len(verdict.reasons)) == ("rerank", 20, 1)
    verdict, depth = judged({20: 0.4})
    assert (verdict.decision, depth, len(verdict.reasons)) == ("do not rerank", None, 1)
