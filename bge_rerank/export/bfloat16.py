"""Rewrite a classifier so that bfloat16 rounds less. In exact numbers, it computes the same.

- Layer norms are folded. A layer norm computes gain x normed + shift. A matrix product or a residual sum
  reads its result, and each can read the normed values instead. The product then has the gain in its
  weights and the shift in its bias; the sum multiplies by the gain in one pass with the addition.
  bfloat16 thus rounds once after a norm instead of twice. In OpenVINO, the standard deviation of the
  error of mini's logits on 280 pairs fell from 0.0173 to 0.0160, at the same speed. In int8 the error is
  unchanged, and a batch is about 1 % faster.
- The last matrix product is written as a sum. OpenVINO computes everything after the last matrix product
  in float32, so the logit is exact. In bfloat16, logits above 4, which the best passages have, would
  have steps of 1/32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import Parameter
from torch.nn.functional import layer_norm

from bge_rerank.export.copies import copy_of


def with_norms_folded(model: Any) -> Any:
    """Return a copy of a float32 BERT or RoBERTa classifier whose norms have no gain and no shift.

    The bias of the values moves into attention's output, because a query's attention weights sum to 1.
    The bias of the keys is dropped, because it adds the same number to all products of a query.
    """
    folded = copy_of(model)
    with torch.no_grad():
        norm = folded.base_model.embeddings.LayerNorm
        folded.base_model.embeddings.LayerNorm = _PlainNorm(norm)
        for layer in folded.base_model.encoder.layer:
            projections, attended = layer.attention.self, layer.attention.output
            for projection in (projections.query, projections.key, projections.value):
                _fold(norm, projection)
            _add_to_bias(attended.dense, attended.dense.weight @ projections.value.bias)
            for projection in (projections.key, projections.value):
                projection.bias = Parameter(torch.zeros_like(projection.bias))
            layer.attention.output = _Residual(attended, norm)
            norm = attended.LayerNorm
            _fold(norm, layer.intermediate.dense)
            output = layer.output
            layer.output = _Residual(output, norm)
            norm = output.LayerNorm
        _fold(norm, _first_of_head(folded))
    return folded


def with_logit_as_sum(model: Any) -> Any:
    """Return a copy of a one-logit classifier that computes its last matrix product as a sum."""
    rewritten = copy_of(model)
    classifier = rewritten.classifier
    if isinstance(classifier, torch.nn.Linear):
        rewritten.classifier = _WeightedSum(classifier)
    else:
        classifier.out_proj = _WeightedSum(classifier.out_proj)
    return rewritten


class _PlainNorm(torch.nn.Module):
    """A layer norm without gain and shift."""

    def __init__(self, norm: torch.nn.LayerNorm) -> None:
        super().__init__()
        self._shape, self._eps = norm.normalized_shape, norm.eps

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return layer_norm(hidden, self._shape, eps=self._eps)


class _Residual(torch.nn.Module):
    """A matrix product, added to the layer's input, and normed."""

    def __init__(self, whole: Any, norm: torch.nn.LayerNorm) -> None:
        """Take the product, its norm, and the gain and shift of the norm before the layer's input."""
        super().__init__()
        self.dense: torch.nn.Linear = whole.dense
        _add_to_bias(self.dense, norm.bias)
        self._gain = norm.weight
        self._norm = _PlainNorm(whole.LayerNorm)

    def forward(self, hidden: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        # OpenVINO computes product and sum in one pass if they stand in this order.
        normed: torch.Tensor = self._norm(rows * self._gain + self.dense(hidden))
        return normed


class _WeightedSum(torch.nn.Module):
    """A matrix product with one column, written as a sum."""

    def __init__(self, dense: torch.nn.Linear) -> None:
        super().__init__()
        self._weights = Parameter(dense.weight.detach()[0])
        self._bias = dense.bias

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        return (pooled * self._weights).sum(-1, keepdim=True) + self._bias


def _fold(norm: torch.nn.LayerNorm, dense: torch.nn.Linear) -> None:
    """Let a product read the norm's result without gain and shift."""
    _add_to_bias(dense, dense.weight @ norm.bias)
    dense.weight = Parameter(dense.weight * norm.weight)


def _add_to_bias(dense: torch.nn.Linear, more: torch.Tensor) -> None:
    dense.bias = Parameter(dense.bias + more)


def _first_of_head(model: Any) -> torch.nn.Linear:
    """Return the first product of the head: BERT's pooler, or RoBERTa's classifier."""
    pooler = getattr(model.base_model, "pooler", None)
    dense: torch.nn.Linear = (pooler or model.classifier).dense
    return dense
