"""Query, key and value of hidden states: three products, or one of weights that lie side by side."""

from __future__ import annotations

from typing import Any

import torch

QueryKeyValue = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Each of shape (…, heads, head width)."""


class Projections:
    """The three products as the layer has them."""

    def __init__(self, attention: Any) -> None:
        """Take a layer's attention, of transformers."""
        self._attention = attention
        self._heads = (attention.num_attention_heads, attention.attention_head_size)

    def __call__(self, rows: torch.Tensor, hidden: torch.Tensor) -> QueryKeyValue:
        """Return the queries of some rows, and keys and values of all hidden states."""
        query = self._attention.query(rows)
        return self._by_heads(query, self._attention.key(hidden), self._attention.value(hidden))

    def _by_heads(self, *projected: torch.Tensor) -> QueryKeyValue:
        query, key, value = (states.view(*states.shape[:-1], *self._heads) for states in projected)
        return query, key, value


class JointProjections(Projections):
    """One product for all three where the rows are all hidden states, else two.

    The layer's own weights become parts of the joint ones, so they take no more memory.
    """

    def __init__(self, attention: Any) -> None:
        """Take a layer's attention, of transformers, on its device."""
        super().__init__(attention)
        self._weight, self._bias = (
            _side_by_side([getattr(part, name) for part in self._parts()])
            for name in ("weight", "bias")
        )

    def __call__(self, rows: torch.Tensor, hidden: torch.Tensor) -> QueryKeyValue:
        """Return the queries of some rows, and keys and values of all hidden states."""
        linear = torch.nn.functional.linear
        if rows is hidden:
            return self._by_heads(*linear(hidden, self._weight, self._bias).chunk(3, -1))
        width = len(self._weight) // 3
        key_and_value = linear(hidden, self._weight[width:], self._bias[width:])
        return self._by_heads(self._attention.query(rows), *key_and_value.chunk(2, -1))

    def _parts(self) -> tuple[Any, Any, Any]:
        return self._attention.query, self._attention.key, self._attention.value


def _side_by_side(parameters: list[torch.nn.Parameter]) -> torch.Tensor:
    joint = torch.cat([parameter.data for parameter in parameters])
    for parameter, part in zip(parameters, joint.chunk(len(parameters)), strict=True):
        parameter.data = part
    return joint
