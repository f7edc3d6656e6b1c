"""A mapping gives probabilities in 0..1 that never fall as the logit rises; others are refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bge_rerank import CalibrationError
from bge_rerank.calibration.mapping import Isotonic, Platt
from bge_rerank.logits import sigmoid

finite = st.floats(allow_nan=False, allow_infinity=False)
probabilities = st.floats(0, 1)


@st.composite
def isotonics(draw: st.DrawFn) -> Isotonic:
    logits = draw(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=12, unique=True))
    values = draw(st.lists(probabilities, min_size=len(logits), max_size=len(logits)))
    return Isotonic(tuple(zip(sorted(logits), sorted(values), strict=True)))


platts = st.builds(Platt, st.floats(min_value=0, exclude_min=True, allow_infinity=False), finite)


@given(isotonics() | platts, finite)
def test_a_probability_lies_in_0_to_1(mapping: Isotonic | Platt, logit: float) -> None:
    assert 0.0 <= mapping.probability(logit) <= 1.0


@given(isotonics() | platts, finite, finite)
def test_a_probability_never_falls_as_the_logit_rises(
    mapping: Isotonic | Platt, first: float, second: float
) -> None:
    low, high = sorted([first, second])
    assert mapping.probability(low) <= mapping.probability(high)


@given(isotonics(), st.floats(0, 1), st.data())
def test_it_never_falls_between_two_knots_either(
    mapping: Isotonic, part: float, data: st.DataObject
) -> None:
    (left, low), (right, high) = data.draw(
        st.sampled_from(list(zip(mapping.knots, mapping.knots[1:] or mapping.knots, strict=False)))
    )
    between = min(max(left + part * (right - left), left), right)
    assert low <= mapping.probability(between) <= high
    assert mapping.probability(between) <= mapping.probability(math.nextafter(between, math.inf))


@given(isotonics())
def test_it_goes_through_its_knots_and_is_constant_beyond_them(mapping: Isotonic) -> None:
    assert [mapping.probability(logit) for logit, _ in mapping.knots] == [
        probability for _, probability in mapping.knots
    ]
    assert mapping.probability(-1e308) == mapping.knots[0][1]
    assert mapping.probability(1e308) == mapping.knots[-1][1]


@given(finite)
def test_platt_with_the_line_itself_is_the_sigmoid(logit: float) -> None:
    assert Platt(1.0, 0.0).probability(logit) == sigmoid(logit)


@pytest.mark.parametrize(
    ("knots", "message"),
    [
        ((), "has no knots"),
        (((0.0, 0.5), (0.0, 0.6)), "not monotone"),
        (((1.0, 0.5), (0.0, 0.6)), "not monotone"),
        (((0.0, 0.5), (1.0, 0.4)), "not monotone"),
        (((math.nan, 0.5),), "must be a finite logit"),
        (((math.inf, 0.5),), "must be a finite logit"),
        (((0.0, math.nan),), "must be a finite logit"),
        (((0.0, 1.1),), "a probability of 0 to 1"),
        (((-1.7e308, 0.1), (1.7e308, 0.2)), "too far apart"),
    ],
)
def test_knots_that_do_not_make_a_monotone_curve_are_refused(
    knots: tuple[tuple[float, float], ...], message: str
) -> None:
    with pytest.raises(CalibrationError, match=message):
        Isotonic(knots)


@pytest.mark.parametrize(
    ("slope", "intercept"), [(0.0, 0.0), (-1.0, 0.0), (math.nan, 0.0), (math.inf, 0), (1, math.nan)]
)
def test_a_line_that_does_not_rise_is_refused(slope: float, intercept: float) -> None:
    with pytest.raises(CalibrationError, match="do not make a rising line"):
        Platt(slope, intercept)
