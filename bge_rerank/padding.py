"""From sequences of several lengths to the rectangular arrays that a model takes. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bge_rerank.pair_encoding import EncodedPair

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


def rounded_up(length: int, multiple: int, at_most: int) -> int:
    """Return the next multiple, within what the model takes.

    >>> rounded_up(9, 8, at_most=512), rounded_up(16, 8, at_most=512), rounded_up(509, 8, at_most=510)
    (16, 16, 510)
    """
    return min(-(-length // multiple) * multiple, at_most)
