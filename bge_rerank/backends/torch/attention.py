"""The attention of a layer, for padded and for packed batches.

`Projections` computes query, key and value. An `Attention` turns them into context. It knows the layout of its batch,
padded rows or packed sequences, and finds the first token of each sequence.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import torch
from torch.nn.functional import scaled_dot_product_attention

SHORT_ROW = 64
"""The longest row, in tokens, for which torch's fused attention is as fast as products in bfloat16 without AMX."""
WEIGHTS_AT_ONCE = 2**21
"""The most attention weights that products compute at once: 4 MB in bfloat16. `mini` took up to
3 % longer with half as many, and up to 13 % longer with twice as many."""

QueryKeyValue = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Each of shape (…, heads, head width)."""


class Projections:
    """Query, key and value by three products, as in the model's own code."""

    def __init__(self, attention: Any) -> None:
        """Take a layer's attention from transformers."""
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
    """Query, key and value by one product if the rows are all hidden states, else by two.

    The layer's weights become views of the joint weights, so they take no additional memory.
    """

    def __init__(self, attention: Any) -> None:
        """Take a layer's attention from transformers, on its device."""
        super().__init__(attention)
        parts = attention.query, attention.key, attention.value
        self._weight = _side_by_side([part.weight for part in parts])
        self._bias = _side_by_side([part.bias for part in parts])

    def __call__(self, rows: torch.Tensor, hidden: torch.Tensor) -> QueryKeyValue:
        """Return the queries of some rows, and keys and values of all hidden states."""
        linear = torch.nn.functional.linear
        if rows is hidden:
            return self._by_heads(*linear(hidden, self._weight, self._bias).chunk(3, -1))
        width = len(self._weight) // 3
        key_and_value = linear(hidden, self._weight[width:], self._bias[width:])
        return self._by_heads(self._attention.query(rows), *key_and_value.chunk(2, -1))


class Attention(Protocol):
    """An attention that knows the layout of its batch."""

    def first_tokens(self, hidden: torch.Tensor, /) -> torch.Tensor:
        """Return the hidden states of each sequence's first token, in the batch's layout."""
        ...

    def __call__(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, /
    ) -> torch.Tensor:
        """Return the context of each query, with the heads concatenated.

        All arguments have the shape (…, heads, head width). Keys and values are of all tokens, queries of all or only of
        the first tokens.
        """
        ...


class PaddedAttention:
    """Attention of padded rows with torch's fused kernel. A mask hides the padding."""

    def __init__(self, mask: torch.Tensor | None) -> None:
        """Take the mask of shape (sequences, longest), 1 for a token; `None` hides nothing."""
        self._mask = None if mask is None else mask[:, None, None, :].bool()

    def first_tokens(self, hidden: torch.Tensor, /) -> torch.Tensor:
        """Return the first column, of shape (sequences, 1, width)."""
        return hidden[:, :1]

    def __call__(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, /
    ) -> torch.Tensor:
        """Attend within each row."""
        context = self._attend(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2))
        return context.transpose(1, 2).flatten(2)

    def _attend(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        return scaled_dot_product_attention(query, key, value, attn_mask=self._mask)


class EagerAttention(PaddedAttention):
    """Attention of padded rows as products and a softmax, a pattern that runtimes of exported graphs fuse."""

    def _attend(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        weights = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        if self._mask is not None:
            hidden = torch.finfo(weights.dtype).min
            weights = weights + torch.where(self._mask, 0.0, hidden)
        return weights.softmax(-1) @ value


class ProductAttention(PaddedAttention):
    """Attention of padded rows as batched products, a few heads at a time so that the weights stay in the caches.

    In bfloat16 without AMX, torch's fused kernel multiplies small blocks slowly. It is still as fast for short rows.
    """

    def __init__(self, mask: torch.Tensor | None) -> None:
        """Take the mask of shape (sequences, longest), 1 for a token, with padding on the right; `None` hides nothing."""
        super().__init__(mask)
        self._lengths: list[int] = [] if mask is None else mask.sum(1, dtype=torch.int64).tolist()

    def _attend(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        if key.shape[2] <= SHORT_ROW:
            return super()._attend(query, key, value)
        # Copied here by rows. The product itself would copy keys number by number.
        queries, keys, values = (
            states.flatten(0, 1).contiguous() for states in (query, key, value)
        )
        context = torch.empty_like(queries)
        at_once = max(1, WEIGHTS_AT_ONCE // (query.shape[2] * key.shape[2]))
        # The same memory serves all parts. New memory of this size would be mapped by the system each time.
        scores = queries.new_empty(min(at_once, len(queries)), query.shape[2], key.shape[2])
        weights = torch.empty_like(scores)
        for start in range(0, len(queries), at_once):
            part = slice(start, start + at_once)
            size = len(queries[part])
            torch.baddbmm(
                scores[:size],
                queries[part],
                keys[part].transpose(1, 2),
                beta=0,
                alpha=1 / math.sqrt(query.shape[-1]),
                out=scores[:size],
            )
            self._hide_padding(scores[:size], start, query.shape[1])
            torch.softmax(scores[:size], -1, out=weights[:size])
            torch.bmm(weights[:size], values[part], out=context[part])
        return context.view(query.shape)

    def _hide_padding(self, scores: torch.Tensor, start: int, heads: int) -> None:
        """Overwrite the scores of padding, which takes less time than to add a bias to all scores.

        Args:
            scores: A part of the scores, of shape (rows * heads, queries, keys).
            start: The place of its first head, counted over all rows.
            heads: The number of heads of a row.
        """
        for row, length in enumerate(self._lengths):
            first, end = (max(0, place * heads - start) for place in (row, row + 1))
            scores[first:end, :, length:] = -math.inf


class PackedAttention:
    """Attention of packed sequences, without padding, with torch's kernel for variable lengths (CUDA).

    On other devices, one sequence is computed after the other. That is slow, and gives the same numbers.
    """

    def __init__(self, lengths: torch.Tensor, longest: int) -> None:
        """Take the number of tokens of each sequence, on the device, and the largest of them."""
        self._offsets = torch.nn.functional.pad(lengths.cumsum(0), (1, 0)).to(torch.int32)
        self._longest = longest

    def first_tokens(self, hidden: torch.Tensor, /) -> torch.Tensor:
        """Return one row for each sequence, of shape (sequences, width)."""
        return hidden[self._offsets[:-1]]

    def __call__(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, /
    ) -> torch.Tensor:
        """Attend within each sequence."""
        offsets, longest = self._offsets, self._longest
        if len(query) != len(key):
            offsets, longest = torch.arange(len(query) + 1, device=query.device).int(), 1
        if not query.is_cuda:
            return self._one_by_one(query, key, value, offsets)
        from torch.nn.attention.varlen import varlen_attn

        context = varlen_attn(query, key, value, offsets, self._offsets, longest, self._longest)
        return torch.as_tensor(context).flatten(1)

    def _one_by_one(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, offsets: torch.Tensor
    ) -> torch.Tensor:
        ends, key_ends = (places[1:-1].long().cpu() for places in (offsets, self._offsets))
        sequences = zip(
            query.tensor_split(ends),
            key.tensor_split(key_ends),
            value.tensor_split(key_ends),
            strict=True,
        )
        contexts = [
            scaled_dot_product_attention(
                rows.transpose(0, 1), keys.transpose(0, 1), values.transpose(0, 1)
            )
            for rows, keys, values in sequences
        ]
        return torch.cat([context.transpose(0, 1) for context in contexts]).flatten(1)


def _side_by_side(parameters: list[torch.nn.Parameter]) -> torch.Tensor:
    joint = torch.cat([parameter.data for parameter in parameters])
    for parameter, part in zip(parameters, joint.chunk(len(parameters)), strict=True):
        parameter.data = part
    return joint
