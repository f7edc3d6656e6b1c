import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bge_rerank.logits import sigmoid, to_logit

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite)
def test_sigmoid_lies_in_0_to_1_and_mirrors_at_zero(logit: float) -> None:
    assert 0.0 <= sigmoid(logit) <= 1.0
    assert sigmoid(logit) + sigmoid(-logit) == pytest.approx(1.0)


@given(finite, finite)
def test_sigmoid_never_falls(first: float, second: float) -> None:
    assert sigmoid(min(first, second)) <= sigmoid(max(first, second))


def test_sigmoid_equals_its_plain_formula_where_that_does_not_overflow() -> None:
    for logit in (-30.0, -1.5, 0.0, 0.3, 12.0):
        assert sigmoid(logit) == pytest.approx(1 / (1 + math.exp(-logit)), rel=1e-15)


@given(st.floats(-700, 30))
def test_a_sigmoid_maps_back_to_its_logit(logit: float) -> None:
    assert sigmoid(to_logit(sigmoid(logit))) == pytest.approx(sigmoid(logit), rel=1e-12, abs=0)


@given(st.floats(0, 1), st.floats(0, 1))
def test_logits_keep_the_order_of_their_sigmoids(one: float, other: float) -> None:
    low, high = sorted([one, other])
    assert to_logit(low) <= to_logit(high)


@pytest.mark.parametrize("probability", [-1.0, 0.0, 1.0, 2.0])
def test_probabilities_at_and_beyond_both_ends_get_a_finite_logit(probability: float) -> None:
    logit = to_logit(probability)
    assert math.isfinite(logit)
    assert logit == to_logit(round(min(max(probability, 0.0), 1.0)))
