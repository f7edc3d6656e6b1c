"""From sequences of several lengths to the rectangular arrays that a model takes. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bge_rerank.backends.encoder.pairs import EncodedPair

Array = npt.NDArray[np.int64]


def padded(
    batch: Sequence[EncodedPair], pad_token_id: int, longest: int | None = None
) -> dict[str, Array]:
    """Pad sequences on the right to the longest of them, or to a length given.

    Returns:
        `input_ids`, `attention_mask` (1 for a token, 0 for padding) and `token_type_ids`, each of
        shape (sequences, longest).

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
    """Return the next of the few lengths that rows are padded to, for runtimes which keep every shape met.

    They are the multiples of 8 up to 128, of 16 up to 256, of 32 up to 512 and so on, within what
    the model takes.

    >>> [coarse_length(length, at_most=510) for length in (9, 16, 130, 257, 505)]
    [16, 16, 144, 288, 510]
    """
    step = 8
    while length > 16 * step:
        step *= 2
    return min(-(-length // step) * step, at_most)
