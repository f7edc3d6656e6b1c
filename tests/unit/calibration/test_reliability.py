import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from bge_rerank.calibration.reliability import BINS, reliability

measured_pairs = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=60)


@given(measured_pairs)
def test_every_pair_is_in_one_bin_and_the_error_lies_in_0_to_1(
    pairs: list[tuple[float, bool]],
) -> None:
    probabilities, relevant = map(np.array, zip(*pairs, strict=True))
    measured = reliability(probabilities, relevant)
    assert sum(each.pairs for each in measured.bins) == len(pairs)
    assert all(each.lower <= each.probability <= each.upper + 1e-12 for each in measured.bins)
    assert 0.0 <= measured.calibration_error <= 1.0
    assert measured.log_loss >= 0.0


def test_the_bins_are_those_of_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    probabilities = draw.random(500)
    relevant = draw.random(500) < probabilities
    shares, means = calibration_curve(relevant, probabilities, n_bins=BINS)
    bins = reliability(probabilities, relevant).bins
    assert [each.share for each in bins] == pytest.approx(list(shares))
    assert [each.probability for each in bins] == pytest.approx(list(means))


def test_calibrated_probabilities_have_a_small_error_and_others_a_large_one() -> None:
    draw = np.random.default_rng(0)
    probabilities = draw.random(100_000)
    relevant = draw.random(100_000) < probabilities
    assert reliability(probabilities, relevant).calibration_error < 0.01
    assert reliability(probabilities**3, relevant).calibration_error > 0.2
