"""Round weights to 8 bits so that their errors cancel in the products.

Rounding to the nearest number treats each weight alone. But channels of activations are correlated, so the
error of one weight can cancel that of another. The weights are rounded one channel after another. After
each, its error is subtracted from the remaining channels by their covariance (GPTQ: Frantar et al. 2022,
arXiv 2210.17323).
"""

from __future__ import annotations

import torch

LARGEST = 127
DAMPING = 0.01
"""The share of the mean variance that is added to each channel's variance, as in the paper."""
BLOCK = 128
"""The number of channels whose errors are subtracted from the rest in one matrix product, which is faster."""


def rounded(weight: torch.Tensor, covariance: torch.Tensor) -> torch.Tensor:
    """Return weights that 8 bits hold exactly, and whose products are near those of the given weights.

    Each row takes 255 evenly spaced values, symmetric around 0, up to its largest weight.

    Args:
        weight: The weights, of shape (outputs, inputs).
        covariance: The covariance of the activations, of shape (inputs, inputs).

    >>> weight = torch.tensor([[1.27, 0.004, 0.004, 0.004]])
    >>> alike = torch.ones(4, 4)
    >>> [round(value, 2) for value in rounded(weight, alike)[0].tolist()]
    [1.27, 0.0, 0.01, 0.0]
    """
    weight = weight.double()
    steps = weight.abs().amax(1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny) / LARGEST
    # The most active channels come first, because the others can then cancel their errors.
    order = covariance.diag().argsort(descending=True, stable=True)
    # A channel's weights lie side by side in memory, because the loop reads and changes them together.
    left = (weight / steps).T[order].contiguous()
    feedback = _feedback(covariance[order][:, order].double())
    whole = torch.empty_like(left)
    for start in range(0, len(left), BLOCK):
        stop = min(start + BLOCK, len(left))
        errors = torch.empty_like(left[start:stop])
        for channel in range(start, stop):
            whole[channel] = left[channel].round().clamp(-LARGEST, LARGEST)
            error = (left[channel] - whole[channel]) / feedback[channel, channel]
            errors[channel - start] = error
            left[channel + 1 : stop].addr_(feedback[channel, channel + 1 : stop], error, alpha=-1)
        left[stop:] -= feedback[start:stop, stop:].T @ errors
    integers = whole[order.argsort()].T.contiguous()
    # `store_in_8_bits` computes the step of a row from its largest weight, so that must stay the largest.
    largest = weight.abs().argmax(1, keepdim=True)
    integers.scatter_(1, largest, LARGEST * weight.gather(1, largest).sign())
    return (integers * steps).float()


def _feedback(covariance: torch.Tensor) -> torch.Tensor:
    """Return the effect of each channel's error on the channels after it (upper triangle)."""
    damped = covariance.flip(0, 1)
    damped.diagonal().add_(
        DAMPING * damped.diag().mean().clamp(min=torch.finfo(torch.float32).tiny)
    )
    # The wanted matrix is the upper Cholesky factor of the inverse. The inverse of the factor of the reversed matrix,
    # reversed again, is the same matrix for half of the work.
    factor = torch.linalg.cholesky(damped)
    inverse = torch.eye(len(covariance), dtype=covariance.dtype)
    torch.linalg.solve_triangular(factor, inverse, upper=False, out=inverse)
    return inverse.flip(0, 1)
