"""Which pairs go through the model together. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def length_ordered_batches(lengths: Sequence[int], max_tokens: int) -> Iterator[list[int]]:
    """Group sequences of similar length, so that little is padded.

    Args:
        lengths: Tokens of each sequence.
        max_tokens: The token budget of a batch: its rows times its longest row. A sequence that is
            longer by itself has a batch of its own.

    Yields:
        Indices into `lengths`, each once; longest first, so that a batch which does not fit into
        memory shows at once. Equal lengths keep their order.

    >>> list(length_ordered_batches([3, 9, 4, 8], max_tokens=18))
    [[1, 3], [2, 0]]
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > max_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
