"""Each fit finds the curve behind the data, and no probability is 0 or 1."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bge_rerank.calibration.mapping_fits import fit_isotonic, fit_platt

numbers = st.lists(st.floats(-50, 50), min_size=2, max_size=40)


def test_platt_finds_the_line_behind_the_data() -> None:
    draw = np.random.default_rng(0)
    logits = draw.normal(0, 2, 960)
    relevant = draw.random(960) < 1 / (1 + np.exp(-2.0 * logits - 1))
    mapping = fit_platt(logits, relevant)
    assert mapping.slope == pytest.approx(2.0, rel=0.15)
    assert mapping.intercept == pytest.approx(1.0, abs=0.3)


@given(numbers, st.data())
def test_an_isotonic_fit_has_no_probability_of_0_or_1(
    logits: list[float], data: st.DataObject
) -> None:
    size = len(logits)
    relevant = data.draw(st.lists(st.booleans(), min_size=size, max_size=size))
    mapping = fit_isotonic(np.array(logits), np.array(relevant))
    assert all(0.0 < probability < 1.0 for _, probability in mapping.knots)
