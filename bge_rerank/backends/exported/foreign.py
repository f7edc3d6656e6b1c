"""Check a graph: its inputs and outputs, and whether a score depends on the other pairs of its batch."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

from bge_rerank.backends.encoder.pairs import PairEncoder
from bge_rerank.backends.encoder.scorer import Runner
from bge_rerank.errors import UnsupportedModelError
from bge_rerank.logs import Warnings

warn = Warnings(logging.getLogger(__name__))

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""The inputs that a graph may declare. A graph is fed those that it declares."""
LOGITS = "logits"
"""The name of the output, as Optimum and `bge-rerank export` write it."""

_SHORT = (
    ("what causes tides", "The Moon's gravity raises the tides."),
    ("tides", "Bread rises on yeast."),
    ("who sets the rate?", "Central banks set the rate at which banks borrow."),
    ("what is a panda?", "hi"),
)
_LONG = (
    "how is bread made",
    "Bread rises because yeast makes carbon dioxide, and 17 ovens bake it. " * 6,
)
SAME = {"float32": 1e-3}
SAME_IF_ROUNDED = 0.06
"""The largest difference of a pair's logits in two batches that rounding explains, by the precision of the graph.
The other precisions have that of our own exports in bfloat16 and int8."""


def check_ports(graph: Path, inputs: Collection[str], outputs: Collection[str]) -> None:
    """Refuse a graph that needs other inputs than a reranker's, or returns no logits.

    Raises:
        UnsupportedModelError: The graph is not a reranker's.
    """
    if not {INPUTS[0]} <= set(inputs) <= set(INPUTS):
        raise UnsupportedModelError(
            f"{str(graph)!r} has the inputs {', '.join(inputs)}, but this backend feeds only {', '.join(INPUTS)}; export "
            "the model with `bge-rerank export`, or use backend='torch' with its weights"
        )
    if LOGITS not in outputs:
        raise UnsupportedModelError(
            f"{str(graph)!r} has the outputs {', '.join(outputs)} and not {LOGITS!r}, so it is not a reranker's; pass the "
            "graph of a reranker, exported for text classification"
        )


def one_logit_a_row(graph: Path, logits: Any, rows: int) -> list[float]:
    """Return a graph's output as a list, if it has one logit for each row.

    Raises:
        UnsupportedModelError: The output has another shape, such as several labels.
    """
    if logits.shape not in ((rows,), (rows, 1)):
        raise UnsupportedModelError(
            f"{str(graph)!r} returns logits of shape {tuple(logits.shape)} for {rows} pairs, but a reranker has one logit "
            "for each pair; pass the graph of a reranker with one label"
        )
    scores: list[float] = logits.reshape(-1).tolist()
    return scores


def check_scores(graph: Path, runner: Runner, encoder: PairEncoder, precision: str) -> None:
    """Score pairs alone and beside a longer one, and warn if the scores differ.

    They differ if the graph has one scale for the activations of a whole batch, or ignores the attention mask.

    Raises:
        UnsupportedModelError: The output of the graph has a wrong shape.
        ScoringError: The forward pass failed.
    """
    encoded = encoder.encode([*_SHORT, _LONG])
    alone = [runner([pair])[0] for pair in encoded]
    moved = max(abs(one - beside) for one, beside in zip(alone, runner(encoded), strict=True))
    # `not <=` instead of `>`, so that NaN warns.
    if not moved <= SAME.get(precision, SAME_IF_ROUNDED):
        warn(
            str(graph),
            "%s scores a pair alone and beside a longer pair with a difference of %.3f, so scores depend on the batch. It "
            "was probably quantised with one scale for all activations (quantize_dynamic). Export the model with "
            "`bge-rerank export`, or pass max_batch_tokens=1 to score each pair alone",
            *(graph, moved),
        )
