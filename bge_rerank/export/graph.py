"""From a classifier's weights to an ONNX graph, by torch's own exporter."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from bge_rerank.backends.torch.encoder import MODEL_TYPES, FirstTokenClassifier
from bge_rerank.errors import UnsupportedModelError

OPSET = 18
PROTOBUF_LIMIT = 2 * 10**9
"""Weights of more bytes lie in a file beside the graph: protobuf holds 2 GiB."""
EXAMPLE_LENGTHS = (9, 5, 7)
"""Rows of unequal length, so that the graph is traced with padding that the mask hides."""


def check_architecture(model: Any) -> None:
    """Refuse a classifier that no graph can be made of.

    Raises:
        UnsupportedModelError: The architecture is none of the BERT and RoBERTa family.
    """
    if not FirstTokenClassifier.supports(model):
        raise UnsupportedModelError(
            f"model_type is {model.config.model_type!r}; export knows {', '.join(sorted(MODEL_TYPES))}: "
            "use backend='torch'"
        )


def export_graph(model: Any, path: Path, *, positions: int, takes_type_ids: bool) -> None:
    """Write a graph from `input_ids`, `attention_mask` and, if taken, `token_type_ids` to `logits`.

    Attention is written out (eager), which is what ONNX Runtime and OpenVINO fuse; the last layer is
    computed for the first token alone.

    Args:
        model: Of an architecture that `check_architecture` allows, in float32.
        path: The file to write; weights too large for one lie beside it.
        positions: The longest sequence in tokens.
        takes_type_ids: Whether the tokenizer gives segments.
    """
    classifier = FirstTokenClassifier(model, eager=True).eval()
    inputs = _example(int(model.config.pad_token_id or 0), takes_type_ids=takes_type_ids)
    shape = {
        0: torch.export.Dim("sequences", min=1, max=65_536),
        1: torch.export.Dim("longest", min=2, max=positions),
    }
    with _quiet():
        torch.onnx.export(
            classifier,
            (),
            path,
            kwargs=inputs,
            input_names=list(inputs),
            output_names=["logits"],
            dynamic_shapes=dict.fromkeys(inputs, shape),
            opset_version=OPSET,
            external_data=_bytes(model) > PROTOBUF_LIMIT,
            dynamo=True,
            verbose=False,
        )


def _example(pad_token_id: int, *, takes_type_ids: bool) -> dict[str, torch.Tensor]:
    columns = torch.arange(max(EXAMPLE_LENGTHS))
    mask = columns < torch.tensor(EXAMPLE_LENGTHS)[:, None]
    ids = torch.where(mask, 3 + columns, pad_token_id)
    inputs = {"input_ids": ids, "attention_mask": mask.long()}
    return inputs | ({"token_type_ids": torch.zeros_like(ids)} if takes_type_ids else {})


def _bytes(model: Any) -> int:
    return sum(weight.numel() * weight.element_size() for weight in model.parameters())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes on what has nothing to do with this model to itself."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
