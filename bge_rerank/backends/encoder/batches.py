"""Divide pairs into batches, and make the padded arrays of a batch. Pure functions."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, count, pairwise
from math import ceil

import numpy as np
import numpy.typing as npt

from bge_rerank.backends.encoder.pairs import EncodedPair

Array = npt.NDArray[np.int64]


def length_ordered_batches(
    lengths: Sequence[int], max_tokens: int, batch_cost: int
) -> list[list[int]]:
    """Group sequences of similar length into the batches with the lowest total cost.

    The rows of a batch are padded to the longest one, so few large batches need much padding. But each batch has a
    fixed cost. This function finds a division of the ordered lengths with the lowest total.

    Args:
        lengths: The number of tokens of each sequence.
        max_tokens: The token budget of a batch: its rows times its longest row. A longer sequence has a
            batch of its own.
        batch_cost: The fixed cost of a batch, in tokens.

    Returns:
        Indices into `lengths`, each once, longest first, so that a batch too large for memory fails at once.
        Equal lengths keep their order.

    >>> length_ordered_batches([3, 9, 4, 8], max_tokens=36, batch_cost=4)
    [[1, 3], [2, 0]]
    >>> length_ordered_batches([3, 9, 4, 8], max_tokens=36, batch_cost=40)
    [[1, 3, 2, 0]]
    """
    rising = sorted(range(len(lengths)), key=lambda index: -lengths[index])[::-1]
    bounds = _cheapest_bounds([lengths[index] for index in rising], max_tokens, batch_cost)
    return [rising[start:stop][::-1] for start, stop in pairwise(bounds)][::-1]


def even_batches(lengths: Sequence[int], max_tokens: int, parts: int = 1) -> list[list[int]]:
    """Divide packed sequences, which need no padding, into few batches of about equal numbers of tokens.

    All tokens are divided into equal parts. A sequence belongs to the part in which its middle lies.

    Args:
        lengths: The number of tokens of each sequence.
        max_tokens: The token budget of a batch: the sum of its lengths. A longer sequence has a batch of
            its own.
        parts: The least number of batches, if there are enough sequences.

    Returns:
        Indices into `lengths`, each once, in order.

    >>> even_batches([3, 9, 4, 8], max_tokens=20)
    [[0, 1], [2, 3]]
    >>> even_batches([3, 9, 4, 8], max_tokens=40)
    [[0, 1, 2, 3]]
    """
    total = sum(lengths)
    # Twice the middle is a whole number.
    middles = [2 * end - length for end, length in zip(accumulate(lengths), lengths, strict=True)]
    for batches in count(max(1, parts, ceil(total / max_tokens))):
        divided: dict[int, list[int]] = {}
        for index, middle in enumerate(middles):
            divided.setdefault(middle * batches // (2 * total), []).append(index)
        if all(
            len(batch) == 1 or sum(lengths[index] for index in batch) <= max_tokens
            for batch in divided.values()
        ):
            break
    return [*divided.values()]


def padded(
    batch: Sequence[EncodedPair], pad_token_id: int, longest: int | None = None
) -> dict[str, Array]:
    """Pad sequences on the right to the longest one, or to the length `longest`.

    Returns:
        `input_ids`, `attention_mask` (1 for a token, 0 for padding) and `token_type_ids`, each of shape
        (sequences, longest).

    >>> batch = [EncodedPair(np.array(ids, np.int32), np.zeros(len(ids), np.int8), 0)
    ...          for ids in ([0, 7, 2], [0, 2])]
    >>> {name: array.tolist() for name, array in padded(batch, pad_token_id=1).items()}
    {'input_ids': [[0, 7, 2], [0, 2, 1]],
     'attention_mask': [[1, 1, 1], [1, 1, 0]],
     'token_type_ids': [[0, 0, 0], [0, 0, 0]]}
    """
    shape = len(batch), longest or max(len(pair.ids) for pair in batch)
    ids, mask, type_ids = (np.full(shape, value, np.int64) for value in (pad_token_id, 0, 0))
    for row, pair in enumerate(batch):
        length = len(pair.ids)
        ids[row, :length] = pair.ids
        mask[row, :length] = 1
        type_ids[row, :length] = pair.type_ids
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": type_ids}


def coarse_length(length: int, at_most: int) -> int:
    """Return the padded length of a row, for runtimes that keep code and buffers for each shape.

    The padded lengths are the multiples of 8 up to 128, of 16 up to 256, of 32 up to 512 and so on, but at most
    `at_most`.

    >>> [coarse_length(length, at_most=510) for length in (9, 16, 130, 257, 505)]
    [16, 16, 144, 288, 510]
    """
    step = 8
    while length > 16 * step:
        step *= 2
    return min(-(-length // step) * step, at_most)


def _cheapest_bounds(rising: Sequence[int], max_tokens: int, batch_cost: int) -> list[int]:
    """Return the bounds of the batches of ordered lengths, by dynamic programming.

    A batch need only end at the end of a run of equal lengths, or when it is full. Another row of the same length
    costs no more here than in the next batch, whose rows are as long or longer.
    """
    count = len(rising)
    run_ends = [end for end in range(1, count) if rising[end] != rising[end - 1]] + [count]
    least = {0: 0}
    start_of = {}
    for start in range(count):
        if start not in least:
            continue
        for run_end in run_ends[bisect_right(run_ends, start) :]:
            length = rising[run_end - 1]
            stop = min(run_end, start + max(1, max_tokens // length))
            if rising[stop - 1] < length:
                break
            cost = least[start] + (stop - start) * length + batch_cost
            if cost < least.get(stop, cost + 1):
                least[stop], start_of[stop] = cost, start
    bounds = [count]
    while bounds[-1]:
        bounds.append(start_of[bounds[-1]])
    return bounds[::-1]
