"""How many floating-point operations a forward pass needs, from the model's config."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def forward_flops(config: Mapping[str, Any], lengths: Iterable[int]) -> int:
    """Return the operations of an encoder's matrix products over sequences without padding.

    A multiplication and its addition count as two. What padding adds is not work that was asked
    for, and what a backend leaves out (the last layer's tokens that no head reads) stays counted:
    the measure is one, and the same for everybody.

    Args:
        config: The model's `config.json`: `hidden_size`, `intermediate_size`, `num_hidden_layers`.
        lengths: The tokens of each sequence.

    >>> config = {"hidden_size": 4, "intermediate_size": 8, "num_hidden_layers": 1}
    >>> forward_flops(config, [1]), forward_flops(config, [2, 1])
    (312, 928)
    """
    return sum(_sequence_flops(config, length) for length in lengths)


def _sequence_flops(config: Mapping[str, Any], length: int) -> int:
    hidden, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
    projections = 4 * hidden * hidden
    feed_forward = 2 * hidden * int(config["intermediate_size"])
    # Scores of each query with each key, and their sum over the values.
    attention = 2 * length * hidden
    layer = length * (projections + feed_forward + attention)
    head = hidden * hidden + hidden
    return 2 * (layers * layer + head)
