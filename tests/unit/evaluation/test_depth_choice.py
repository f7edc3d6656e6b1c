"""Choosing the smallest depth that is about as good as the best, and the verdict that names it."""

import random
from collections.abc import Mapping
from math import sqrt
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bge_rerank.evaluation.depth_choice import (
    DepthChoice,
    choose_depth,
    decide_by_depth,
    is_close,
)
from bge_rerank.evaluation.result import Change, DepthPoint, Latency, Verdict
from bge_rerank.evaluation.verdict import Demands, decide

DEPTHS = (5, 10, 20, 50, 100)
BEFORE = 0.5
K = 10
ndcg = st.sampled_from([0.0, 0.39, 0.5, 0.63, 1.0])


@st.composite
def curves(draw: st.DrawFn) -> dict[int, list[float]]:
    queries = draw(st.integers(2, 12))
    return {
        depth: draw(st.lists(ndcg, min_size=queries, max_size=queries))
        for depth in draw(st.lists(st.sampled_from(DEPTHS), min_size=1, unique=True))
    }


def curve(
    means: dict[int, float], noise: float = 0.1, queries: int = 200
) -> dict[int, list[float]]:
    """Give values around means, with noise in the paired differences."""
    draw = random.Random(1)
    return {d: [draw.gauss(mean, noise) for _ in range(queries)] for d, mean in means.items()}


@given(curves(), st.data())
def test_the_choice_is_the_first_within_one_standard_error_of_the_best(
    values: dict[int, list[float]], data: st.DataObject
) -> None:
    worth_it = data.draw(st.sets(st.sampled_from(sorted(values)), min_size=1))
    choice = choose_depth(values, worth_it)
    assert choice is not None
    assert choice.depth <= choice.best
    assert {choice.depth, choice.best} <= worth_it
    assert all(fmean(values[choice.best]) >= fmean(values[depth]) - 1e-8 for depth in worth_it)
    assert is_close(values[choice.depth], values[choice.best])
    for smaller in worth_it:
        if smaller < choice.depth:
            losses = [b - v for v, b in zip(values[smaller], values[choice.best], strict=True)]
            assert fmean(losses) > stdev(losses) / sqrt(len(losses))


@given(curves())
def test_the_order_of_the_queries_does_not_change_the_choice(
    values: dict[int, list[float]],
) -> None:
    choice = choose_depth(values, values)
    again = choose_depth({depth: its[::-1] for depth, its in values.items()}, values)
    assert choice == again


@pytest.mark.parametrize(
    ("loss", "close"), [(0.0, True), (0.09, True), (0.11, False), (-0.5, True)]
)
def test_close_is_up_to_one_standard_error(loss: float, close: bool) -> None:
    """The standard error of two differences is half of their distance: 0.1."""
    assert is_close([0.0, 0.0], [loss + 0.1, loss - 0.1]) is close


def test_without_a_depth_that_is_worth_it_there_is_no_choice() -> None:
    assert choose_depth({5: [0.1, 0.2]}, []) is None


def test_if_quality_rises_to_the_end_the_whole_depth_is_chosen() -> None:
    rising = curve({5: 0.5, 20: 0.6, 100: 0.7})
    assert choose_depth(rising, rising) == DepthChoice(100, best=100)


def test_the_smallest_depth_of_a_plateau_is_chosen() -> None:
    base = curve({5: 0.5, 20: 0.7})
    plateau = base | {50: base[20], 100: base[20]}
    assert choose_depth(plateau, plateau) == DepthChoice(20, best=20)


def test_a_gain_by_chance_does_not_justify_more_depth() -> None:
    base = curve({5: 0.5, 20: 0.7})
    luck = [value + (0.1 if place == 0 else 0.0) for place, value in enumerate(base[20])]
    assert choose_depth(base | {100: luck}, [5, 20, 100]) == DepthChoice(20, best=100)


def test_if_quality_falls_with_depth_its_maximum_is_chosen() -> None:
    falling = curve({5: 0.5, 20: 0.7, 50: 0.65, 100: 0.6})
    assert choose_depth(falling, falling) == DepthChoice(20, best=20)


def test_depths_that_are_not_worth_it_are_not_compared() -> None:
    rising = curve({5: 0.5, 20: 0.6, 100: 0.7})
    assert choose_depth(rising, [5, 20]) == DepthChoice(20, best=20)


def judged(
    means: Mapping[int, float],
    demands: Demands | None = None,
    *,
    half_width: float = 0.02,
    timed: bool = True,
) -> tuple[Verdict, int | None]:
    """Decide by the means of depths; each candidate takes a millisecond."""
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


def test_a_smaller_depth_that_is_as_good_is_recommended() -> None:
    verdict, depth = judged({5: 0.55, 20: 0.7, 100: 0.7})
    assert (verdict.decision, depth) == ("rerank", 20)
    assert "nDCG@10 goes from 0.500 to 0.700" in verdict.reasons[0]
    assert verdict.reasons[1].startswith("depth 20 is recommended: ")


def test_the_whole_depth_is_recommended_if_smaller_depths_are_worse() -> None:
    verdict, depth = judged({5: 0.55, 20: 0.6, 100: 0.7})
    assert (verdict.decision, depth) == ("rerank", 100)
    assert "no smaller depth is within one standard error" in verdict.reasons[1]


def test_if_the_whole_depth_is_too_slow_a_smaller_depth_is_recommended() -> None:
    verdict, depth = judged({5: 0.55, 20: 0.6, 100: 0.7}, Demands(latency_budget_ms=50))
    assert (verdict.decision, depth) == ("rerank", 20)
    gain, against, why = verdict.reasons
    assert gain.startswith("at depth 20, nDCG@10 goes from 0.500 to 0.600")
    assert "20.0 ms per query" in gain
    assert against.startswith("at depth 100, reranking is too slow: 100.0 ms")
    assert "less depth" not in against
    assert "depth 20 is recommended" in why


def test_if_no_depth_meets_the_budget_none_is_recommended() -> None:
    verdict, depth = judged({20: 0.6, 100: 0.7}, Demands(latency_budget_ms=10))
    assert (verdict.decision, depth) == ("do not rerank", None)
    assert verdict.reasons[-1] == "no smaller depth is worth it either"


def test_if_the_whole_depth_harms_a_depth_that_helps_is_recommended() -> None:
    verdict, depth = judged({20: 0.7, 50: 0.6, 500: 0.4})
    assert (verdict.decision, depth) == ("rerank", 20)
    assert "at depth 500, reranking makes the order worse" in verdict.reasons[1]


@pytest.mark.parametrize(
    ("means", "demands"),
    [
        ({5: 0.51, 20: 0.52}, Demands()),
        ({5: 0.45, 20: 0.4}, Demands()),
        ({5: 0.6, 20: 0.7}, Demands(target=0.5)),
        ({5: 0.6, 20: 0.7}, Demands(corpus_size=10)),
    ],
)
def test_a_reason_against_all_depths_leaves_no_recommendation(
    means: dict[int, float], demands: Demands
) -> None:
    verdict, depth = judged(means, demands, half_width=0.005)
    assert (verdict.decision, depth) == ("do not rerank", None)


def test_without_latencies_by_depth_only_the_whole_depth_is_held_to_a_budget() -> None:
    means = {5: 0.6, 20: 0.7}
    assert judged(means, timed=False)[1] == 20
    fits, none = judged(means, Demands(latency_budget_ms=50), timed=False)
    assert (fits.decision, none) == ("rerank", None)
    slow, none = judged(means, Demands(latency_budget_ms=10), timed=False)
    assert (slow.decision, none) == ("do not rerank", None)
    assert "or less depth" in slow.reasons[0]
    assert len(slow.reasons) == 1


def test_a_single_depth_has_its_verdict_without_a_comparison() -> None:
    verdict, depth = judged({20: 0.7})
    assert (verdict.decision, depth, len(verdict.reasons)) == ("rerank", 20, 1)
    verdict, depth = judged({20: 0.4})
    assert (verdict.decision, depth, len(verdict.reasons)) == ("do not rerank", None, 1)
