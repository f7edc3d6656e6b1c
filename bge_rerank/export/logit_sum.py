"""The head's last product, written as a sum: the logit stays in float32 where the rest is bfloat16.

OpenVINO computes in float32 what stands behind the last matrix product. A logit from 4 on has steps of
1/32 in bfloat16, and those of the passages in front are such.
"""

from __future__ import annotations

import copy
from typing import Any

import torch


def with_logit_as_sum(model: Any) -> Any:
    """Return a copy of a classifier that multiplies and adds in place of its last product.

    Args:
        model: An encoder classifier of the BERT and RoBERTa family with one logit.
    """
    rewritten = copy.deepcopy(model)
    classifier = rewritten.classifier
    if isinstance(classifier, torch.nn.Linear):
        rewritten.classifier = _WeightedSum(classifier)
    else:
        classifier.out_proj = _WeightedSum(classifier.out_proj)
    return rewritten


class _WeightedSum(torch.nn.Module):
    """A product with one column."""

    def __init__(self, dense: torch.nn.Linear) -> None:
        super().__init__()
        self._weights = torch.nn.Parameter(dense.weight.detach()[0])
        self._bias = dense.bias

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        return (pooled * self._weights).sum(-1, keepdim=True) + self._bias
