"""The smallest depth that is about as good as the best."""

import random
from math import sqrt
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bge_rerank.evaluation.recommended_depth import DepthChoice, choose_depth, is_close

DEPTHS = (5, 10, 20, 50, 100)
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
    """Give values about means, whose paired differences have noise."""
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
def test_the_order_of_the_queries_changes_no_choice(values: dict[int, list[float]]) -> None:
    choice = choose_depth(values, values)
    again = choose_depth({depth: its[::-1] for depth, its in values.items()}, values)
    assert choice == again


@pytest.mark.parametrize(
    ("loss", "close"), [(0.0, True), (0.09, True), (0.11, False), (-0.5, True)]
)
def test_close_is_up_to_one_standard_error(loss: float, close: bool) -> None:
    """Of two differences, the standard error is half of what lies between them: 0.1."""
    assert is_close([0.0, 0.0], [loss + 0.1, loss - 0.1]) is close


def test_without_a_depth_that_is_worth_it_there_is_no_choice() -> None:
    assert choose_depth({5: [0.1, 0.2]}, []) is None


def test_a_curve_that_rises_to_the_end_needs_the_whole_depth() -> None:
    rising = curve({5: 0.5, 20: 0.6, 100: 0.7})
    assert choose_depth(rising, rising) == DepthChoice(100, best=100)


def test_of_a_plateau_the_smallest_is_chosen() -> None:
    base = curve({5: 0.5, 20: 0.7})
    plateau = base | {50: base[20], 100: base[20]}
    assert choose_depth(plateau, plateau) == DepthChoice(20, best=20)


def test_a_gain_that_is_chance_is_not_worth_more_depth() -> None:
    base = curve({5: 0.5, 20: 0.7})
    luck = [value + (0.1 if place == 0 else 0.0) for place, value in enumerate(base[20])]
    assert choose_depth(base | {100: luck}, [5, 20, 100]) == DepthChoice(20, best=100)


def test_quality_that_falls_with_depth_is_left_at_its_height() -> None:
    falling = curve({5: 0.5, 20: 0.7, 50: 0.65, 100: 0.6})
    assert choose_depth(falling, falling) == DepthChoice(20, best=20)


def test_the_best_of_those_that_are_worth_it_counts() -> None:
    rising = curve({5: 0.5, 20: 0.6, 100: 0.7})
    assert choose_depth(rising, [5, 20]) == DepthChoice(20, best=20)
