"""Rounding with feedback gives weights that 8 bits hold, and smaller errors than rounding to the nearest number."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bge_rerank.export.rounding import DAMPING, LARGEST, _feedback, rounded


def activations(channels: int, seed: int) -> torch.Tensor:
    """Draw rows whose channels are correlated and differ in size."""
    draw = torch.Generator().manual_seed(seed)
    causes = torch.randn(400, 4, generator=draw) @ torch.randn(4, channels, generator=draw)
    return causes + 0.1 * torch.randn(400, channels, generator=draw)


def steps(weight: torch.Tensor) -> torch.Tensor:
    return weight.abs().amax(1, keepdim=True) / LARGEST


@given(st.integers(1, 300), st.integers(0, 9))
def test_each_weight_is_a_whole_number_of_steps_and_the_largest_stays(
    channels: int, seed: int
) -> None:
    weight = torch.randn(3, channels, generator=torch.Generator().manual_seed(seed))
    out = rounded(weight, activations(channels, seed).T.cov().reshape(channels, channels))
    integers = out / steps(weight)
    assert torch.allclose(integers, integers.round(), atol=1e-3)
    assert torch.allclose(out.abs().amax(1), weight.abs().amax(1))
    assert (integers.abs() <= LARGEST + 1e-3).all()


@pytest.mark.parametrize("channels", [16, 200])
def test_products_change_less_than_with_the_nearest_numbers(channels: int) -> None:
    rows = activations(channels, seed=1)
    weight = torch.randn(32, channels, generator=torch.Generator().manual_seed(2))
    nearest = (weight / steps(weight)).round() * steps(weight)

    def error(other: torch.Tensor) -> float:
        return float((rows @ (other - weight).T).square().mean())

    assert error(rounded(weight, rows.T.cov())) < 0.5 * error(nearest)


def test_the_feedback_is_the_upper_cholesky_factor_of_the_inverse_of_the_damped_covariance() -> (
    None
):
    covariance = activations(30, seed=5).T.cov().double()
    damped = covariance + DAMPING * covariance.diag().mean() * torch.eye(30, dtype=torch.float64)
    expected = torch.linalg.cholesky(torch.linalg.inv(damped), upper=True)
    torch.testing.assert_close(_feedback(covariance), expected, rtol=1e-6, atol=1e-6)


def test_uncorrelated_channels_are_rounded_to_the_nearest_number() -> None:
    weight = torch.randn(5, 40, generator=torch.Generator().manual_seed(3))
    nearest = (weight / steps(weight)).round() * steps(weight)
    assert torch.allclose(rounded(weight, torch.eye(40)), nearest, atol=1e-6)


def test_weights_and_channels_of_zero_stay_zero() -> None:
    assert not rounded(torch.zeros(2, 3), torch.zeros(3, 3)).any()
