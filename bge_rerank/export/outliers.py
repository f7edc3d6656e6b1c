"""Divide each feed-forward in two: the neurons with outlying activations, and the others, which are quantised.

The largest value of a tensor sets its scale in 8 bits. In trained encoders, one neuron of a layer has far
larger activations than all others, for one token of a sequence (massive activations: Sun et al. 2024,
arXiv 2402.17762). In four of mini's six layers this neuron reaches 13 to 24, the next one 6 to 14, and
half of the neurons stay below 1.7.

A feed-forward is a sum over its neurons. So it equals the sum of two feed-forwards: one of the outliers,
which stays in float, and one of the others. This costs a few per cent more computation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from bge_rerank.export.activations import LayerInputs
from bge_rerank.export.copies import copy_of

OUTLIERS = 64
"""The number of outliers in each layer. On mini, 32, 64 and 128 were equally good; 64 is the block of a kernel."""


def with_outliers_apart(model: Any, seen: Sequence[LayerInputs]) -> Any:
    """Return a copy of a float32 classifier that computes each feed-forward except the last as two.

    Args:
        model: The classifier.
        seen: The inputs of its products, from `observe`. The samples should be pairs like those that the export
            will score.
    """
    divided = copy_of(model)
    layers = divided.base_model.encoder.layer[:-1]
    for layer, inputs in zip(layers, seen, strict=True):
        neurons = inputs.second.largest.argsort(descending=True)
        apart = min(OUTLIERS, len(neurons) // 2)
        outliers, others = (part.sort().values for part in neurons.tensor_split([apart]))
        layer.intermediate = _Intermediate(layer.intermediate, others, outliers)
        layer.output.dense = _SumOfParts(layer.output.dense, others, outliers)
    return divided


class _Intermediate(torch.nn.Module):
    """The first half of a feed-forward: the activations of the other neurons, and of the outliers."""

    def __init__(self, whole: Any, others: torch.Tensor, outliers: torch.Tensor) -> None:
        super().__init__()
        weight, bias = whole.dense.weight, whole.dense.bias
        self._activation = whole.intermediate_act_fn
        self.others = _linear(weight[others], bias[others])
        self._outliers = _linear(weight[outliers], bias[outliers])

    def forward(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        others, outliers = self.others(hidden), self._outliers(hidden)
        return self._activation(others), self._activation(outliers)


class _SumOfParts(torch.nn.Module):
    """The second product of a feed-forward, as the sum of both parts."""

    def __init__(self, whole: Any, others: torch.Tensor, outliers: torch.Tensor) -> None:
        super().__init__()
        self.places = others  # the channels of the whole product that the other neurons are
        self.others = _linear(whole.weight[:, others], whole.bias)
        self._outliers = _linear(whole.weight[:, outliers], None)

    def forward(self, activations: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        others, outliers = activations
        both: torch.Tensor = self.others(others) + self._outliers(outliers)
        return both


def _linear(weight: torch.Tensor, bias: torch.Tensor | None) -> torch.nn.Linear:
    linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    linear.weight = torch.nn.Parameter(weight.detach())
    if bias is not None:
        linear.bias = torch.nn.Parameter(bias.detach())
    return linear
