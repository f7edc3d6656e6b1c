"""Products made ready for 8 bits: their inputs centred and scaled by channel, their weights rounded.

One step of 8 bits holds for a whole tensor, and a trained encoder's channels are of very unequal size,
about means that are not 0. So each channel is shifted by the middle of its range and divided by a
scale, and the weights that read it are multiplied by it (SmoothQuant: Xiao et al. 2023, arXiv
2211.10438; the shift: Outlier Suppression+, Wei et al. 2023, arXiv 2304.09145). It computes the same,
but for the rounding of the weights.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from bge_rerank.backends.encoder.pairs import EncodedPair
from bge_rerank.export.activations import Activations, observe
from bge_rerank.export.rounding import rounded

SMOOTHING = 0.7
"""How much of the activations' spread goes into the weights (SmoothQuant's alpha)."""
SMALLEST = 1e-6
"""A channel's least half range, so that one that never moves can be divided by."""


def with_products_scaled(model: Any, samples: Sequence[EncodedPair]) -> Any:
    """Return a copy of a float32 classifier whose products are ready for 8 bits.

    The classifier has its outliers apart (`with_outliers_apart`). The samples are pairs like those to
    be scored.
    """
    scaled = copy.deepcopy(model)
    groups = list(_groups(scaled))
    seen = observe(Activations, scaled, [getattr(*group[0]) for group in groups], samples)
    for group, activations in zip(groups, seen, strict=True):
        dense = [getattr(*place) for place in group]
        scaling = Scaling(activations, torch.cat([linear.weight.detach() for linear in dense]))
        for place, linear in zip(group, dense, strict=True):
            setattr(*place, ScaledLinear(linear, scaling))
    return scaled


def _groups(model: Any) -> Iterator[list[tuple[Any, str]]]:
    """Yield where the products are: those that read the same together, as a module and a name."""
    *layers, last = model.base_model.encoder.layer
    for number, layer in enumerate(layers):
        projections = layer.attention.self
        yield [(projections, "query"), (projections, "key"), (projections, "value")]
        yield [(layer.attention.output, "dense")]
        if number > 0:  # the first layer's stays in float (`kept_in_float`)
            yield [(layer.intermediate, "others")]
        yield [(layer.output.dense, "others")]
    yield [(last.attention.self, "key"), (last.attention.self, "value")]


class Scaling:
    """What the channels of an input are shifted and divided by, and how they then go together."""

    def __init__(self, activations: Activations, weight: torch.Tensor) -> None:
        """Choose both for an input; all weights that read it have the shape (outputs, inputs)."""
        self.middle = (activations.highest + activations.lowest) / 2
        half_range = (activations.highest - activations.lowest).clamp(min=2 * SMALLEST) / 2
        largest = weight.abs().amax(0).clamp(min=SMALLEST)
        self.scale = half_range**SMOOTHING / largest ** (1 - SMOOTHING)
        self.mean = (activations.mean - self.middle) / self.scale
        self.covariance = activations.covariance / torch.outer(self.scale, self.scale)


class ScaledLinear(torch.nn.Module):
    """A product that reads its input centred and scaled, by weights that 8 bits hold exactly."""

    def __init__(self, linear: torch.nn.Linear, scaling: Scaling) -> None:
        """Take over a product."""
        super().__init__()
        self._factor = torch.nn.Parameter(1 / scaling.scale)
        self._shift = torch.nn.Parameter(-scaling.middle / scaling.scale)
        weight = linear.weight.detach() * scaling.scale
        self.dense = torch.nn.Linear(linear.in_features, linear.out_features)
        self.dense.weight = torch.nn.Parameter(rounded(weight, scaling.covariance))
        # In the mean the rounded weights give what the exact ones gave.
        mended = (weight - self.dense.weight.detach()) @ scaling.mean
        bias = linear.bias.detach() + linear.weight.detach() @ scaling.middle + mended
        self.dense.bias = torch.nn.Parameter(bias)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the product, for inputs of shape (…, inputs)."""
        out: torch.Tensor = self.dense(hidden * self._factor + self._shift)
        return out
