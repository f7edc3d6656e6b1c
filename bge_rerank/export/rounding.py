"""Weights of 8 bits, rounded so that their errors cancel in the products.

To the nearest number each weight is rounded by itself. But channels of activations rise and fall
together, so what one weight gains another can take back: in turn each is rounded, and its error taken
out of those that are still to come, by how the channels go together (GPTQ: Frantar et al. 2022,
arXiv 2210.17323).
"""

from __future__ import annotations

import torch

LARGEST = 127
DAMPING = 0.01
"""Of the mean variance of a channel, added to each: as in the paper."""
BLOCK = 128
"""Channels whose errors are taken out of the rest at once: it is the same sum, and a matrix product."""


def rounded(weight: torch.Tensor, covariance: torch.Tensor) -> torch.Tensor:
    """Return weights that 8 bits hold exactly, and whose products are near those of the given ones.

    Each row has 255 evenly spaced values, symmetric to 0, the last of which is its largest weight.

    Args:
        weight: Of shape (outputs, inputs).
        covariance: That of the activations, of shape (inputs, inputs).

    >>> weight = torch.tensor([[1.27, 0.004, 0.004, 0.004]])
    >>> alike = torch.ones(4, 4)
    >>> [round(value, 2) for value in rounded(weight, alike)[0].tolist()]
    [1.27, 0.0, 0.01, 0.0]
    """
    weight = weight.double()
    steps = weight.abs().amax(1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny) / LARGEST
    # The most active channels first: the others can make up for their errors.
    order = covariance.diag().argsort(descending=True, stable=True)
    left = (weight / steps)[:, order]
    feedback = _feedback(covariance.double()[order][:, order])
    whole = torch.empty_like(left)
    for start in range(0, left.shape[1], BLOCK):
        stop = min(start + BLOCK, left.shape[1])
        errors = torch.empty_like(left[:, start:stop])
        for channel in range(start, stop):
            whole[:, channel] = left[:, channel].round().clamp(-LARGEST, LARGEST)
            error = (left[:, channel] - whole[:, channel]) / feedback[channel, channel]
            errors[:, channel - start] = error
            left[:, channel + 1 : stop] -= torch.outer(error, feedback[channel, channel + 1 : stop])
        left[:, stop:] -= errors @ feedback[start:stop, stop:]
    integers = whole[:, order.argsort()]
    # What reads the weights takes their steps from the largest of a row.
    largest = weight.abs().argmax(1, keepdim=True)
    integers.scatter_(1, largest, LARGEST * weight.gather(1, largest).sign())
    return (integers * steps).float()


def _feedback(covariance: torch.Tensor) -> torch.Tensor:
    """Return what an error of each channel is worth in the channels after it (upper triangle)."""
    mean = covariance.diag().mean().clamp(min=torch.finfo(torch.float32).tiny)
    damped = covariance + DAMPING * mean * torch.eye(len(covariance), dtype=covariance.dtype)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    upper: torch.Tensor = torch.linalg.cholesky(inverse, upper=True)
    return upper
