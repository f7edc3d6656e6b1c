"""Confidence intervals and randomisation tests of paired differences."""

import random
from itertools import product
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bge_rerank.evaluation.paired import bootstrap_interval, randomisation_p_value

differences = st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=40)


@settings(max_examples=20, deadline=None)
@given(differences)
def test_the_interval_lies_within_the_values_and_is_reproducible(
    values: list[float],
) -> None:
    low, high = bootstrap_interval(values, resamples=200)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9
    assert (low, high) == bootstrap_interval(values, resamples=200)


def test_the_interval_of_many_normal_values_matches_the_normal_distribution() -> None:
    draw = random.Random(3)
    values = [draw.gauss(0.1, 1.0) for _ in range(2_000)]
    low, high = bootstrap_interval(values)
    assert (low + high) / 2 == pytest.approx(fmean(values), abs=0.004)
    assert high - low == pytest.approx(2 * 1.96 / 2_000**0.5, rel=0.08)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(-4, 4), max_size=8))
def test_the_p_value_of_few_differences_is_the_share_of_sign_patterns_as_extreme(
    values: list[int],
) -> None:
    flipped = [
        abs(sum(sign * value for sign, value in zip(signs, values, strict=True)))
        for signs in product((1, -1), repeat=len(values))
    ]
    share = sum(total >= abs(sum(values)) for total in flipped) / len(flipped)
    assert randomisation_p_value(list(map(float, values))) == pytest.approx(share)


def test_queries_without_a_difference_do_not_change_the_p_value() -> None:
    values = [0.1, -0.2, 0.3, 0.4]
    assert randomisation_p_value([*values, *[0.0] * 100]) == randomisation_p_value(values)


def test_a_clear_gain_differs_from_noise() -> None:
    draw = random.Random(5)
    noise = [draw.gauss(0.0, 0.2) for _ in range(300)]
    assert randomisation_p_value([value + 0.1 for value in noise]) < 0.001
    assert randomisation_p_value(noise) > 0.05
