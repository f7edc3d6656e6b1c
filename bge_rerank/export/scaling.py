"""Prepare products for 8 bits: centre and scale their input channels, and round their weights.

All channels of a tensor share one 8-bit step. But the channels of a trained encoder have very different
ranges, and their means are not 0. So each channel is shifted by the middle of its range and divided by a
scale, and the weights that read it are multiplied by that scale. Apart from the rounding of the weights,
the result is the same. The scaled inputs of all samples together reach from -1 to 1, which 8 bits then hold without
clipping. On mini and 1,080 pairs of three collections, that gave a smaller error than a range without the extremes.

The scale is that of SmoothQuant (Xiao et al. 2023, arXiv 2211.10438). The shift is that of Outlier
Suppression+ (Wei et al. 2023, arXiv 2304.09145).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from bge_rerank.export.activations import Activations, LayerInputs
from bge_rerank.export.copies import copy_of
from bge_rerank.export.rounding import rounded

SMOOTHING = 0.7
"""The share of the activations' range that moves into the weights (SmoothQuant's alpha)."""
SMALLEST = 1e-6
"""The minimum half range of a channel, which avoids a division by 0."""


def with_products_scaled(model: Any, seen: Sequence[LayerInputs], of_last: Activations) -> Any:
    """Return a copy of a float32 classifier whose products are prepared for 8 bits.

    Args:
        model: The classifier, from `with_outliers_apart`.
        seen: The inputs of its products, from `observe`.
        of_last: The input of the last layer's key and value.
    """
    scaled = copy_of(model)
    for group, activations in _groups(scaled, seen, of_last):
        dense = [getattr(*place) for place in group]
        scaling = Scaling(activations, torch.cat([linear.weight.detach() for linear in dense]))
        for place, linear in zip(group, dense, strict=True):
            setattr(*place, ScaledLinear(linear, scaling))
    return scaled


def _groups(
    model: Any, seen: Sequence[LayerInputs], of_last: Activations
) -> Iterator[tuple[list[tuple[Any, str]], Activations]]:
    """Yield groups of products with the same input, and the input. Each product is a module and a name in it."""
    *layers, last = model.base_model.encoder.layer
    for number, (layer, inputs) in enumerate(zip(layers, seen, strict=True)):
        projections, second = layer.attention.self, layer.output.dense
        names = ("query", "key", "value")
        yield [(projections, name) for name in names], inputs.projections
        yield [(layer.attention.output, "dense")], inputs.attended
        if number > 0:  # the first layer's product stays in float (`eight_bits`)
            yield [(layer.intermediate, "others")], inputs.first
        yield [(second, "others")], inputs.second.of(second.places)
    yield [(last.attention.self, "key"), (last.attention.self, "value")], of_last


class Scaling:
    """The shift and scale of each input channel, and the mean and covariance of the scaled channels."""

    def __init__(self, activations: Activations, weight: torch.Tensor) -> None:
        """Choose shift and scale. `weight` has all weights that read the input, of shape (outputs, inputs)."""
        self.middle = (activations.highest + activations.lowest) / 2
        half_range = (activations.highest - activations.lowest).clamp(min=2 * SMALLEST) / 2
        largest = weight.abs().amax(0).clamp(min=SMALLEST)
        scale = half_range**SMOOTHING / largest ** (1 - SMOOTHING)
        # With this factor, the scaled channels reach from -1 to 1.
        self.scale = scale * (half_range / scale).max()
        self.mean = (activations.mean - self.middle) / self.scale
        self.covariance = activations.covariance
        self.covariance /= self.scale
        self.covariance /= self.scale[:, None]


class ScaledLinear(torch.nn.Module):
    """A product that centres and scales its input, and whose weights 8 bits hold exactly."""

    def __init__(self, linear: torch.nn.Linear, scaling: Scaling) -> None:
        """Take the weights of a product."""
        super().__init__()
        self._factor = torch.nn.Parameter(1 / scaling.scale)
        self._shift = torch.nn.Parameter(-scaling.middle / scaling.scale)
        weight = linear.weight.detach() * scaling.scale
        self.dense = torch.nn.Linear(linear.in_features, linear.out_features)
        self.dense.weight = torch.nn.Parameter(rounded(weight, scaling.covariance))
        # The bias corrects the mean error of the rounded weights.
        mended = (weight - self.dense.weight.detach()) @ scaling.mean
        bias = linear.bias.detach() + linear.weight.detach() @ scaling.middle + mended
        self.dense.bias = torch.nn.Parameter(bias)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the product, for inputs of shape (…, inputs)."""
        out: torch.Tensor = self.dense(hidden * self._factor + self._shift)
        return out
