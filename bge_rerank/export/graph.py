"""Write a classifier as an ONNX graph, with torch's exporter."""

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
from bge_rerank.export.eight_bits import store_in_8_bits

OPSET = 18
PROTOBUF_LIMIT = 2 * 10**9
"""Larger weights are written to a separate file beside the graph, because protobuf holds at most 2 GiB."""
EXAMPLE_LENGTHS = (9, 5, 7)
"""The lengths of the example's rows. They differ, so that the graph is traced with padding and mask."""


def check_architecture(model: Any) -> None:
    """Refuse a classifier that cannot be exported.

    Raises:
        UnsupportedModelError: The architecture is not in the BERT and RoBERTa family.
    """
    if not FirstTokenClassifier.supports(model):
        raise UnsupportedModelError(
            f"model_type is {model.config.model_type!r}; export supports {', '.join(sorted(MODEL_TYPES))}. "
            "Use backend='torch' with this model"
        )


def export_graph(model: Any, path: Path, *, positions: int, takes_type_ids: bool) -> None:
    """Write the graph. Its inputs are `input_ids` and `attention_mask`.

    Its output is `logits` of shape (sequences, 1), as Optimum writes it, so that other programs read the graph too.

    Attention is written as single operations (eager), because ONNX Runtime and OpenVINO fuse this form.
    The last layer is computed for the first token only.

    Args:
        model: A float32 classifier that `check_architecture` allows.
        path: The file to write. Weights beyond `PROTOBUF_LIMIT` are written beside it.
        positions: The maximum length of a sequence, in tokens.
        takes_type_ids: Whether the graph has the input `token_type_ids` too.
    """
    classifier = _ClassifierOfRows(model, eager=True).eval()
    inputs = _example(int(model.config.pad_token_id or 0), takes_type_ids=takes_type_ids)
    shape = {
        0: torch.export.Dim("sequences", min=1, max=65_536),
        1: torch.export.Dim("longest", min=2, max=positions),
    }
    with _quiet():
        program = torch.onnx.export(
            classifier,
            (),
            kwargs=inputs,
            input_names=list(inputs),
            output_names=["logits"],
            dynamic_shapes=dict.fromkeys(inputs, shape),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
        assert program is not None  # it is only for the older exporter
        store_in_8_bits(program.model)
        _forget_sources(program.model)
        program.save(path, external_data=_bytes(program.model) > PROTOBUF_LIMIT)


def _forget_sources(model: Any) -> None:
    """Take out the notes of the exporter. They name files of this machine, in half a megabyte of text."""
    graph = model.graph
    outputs = (value for node in graph for value in node.outputs)
    for part in (model, graph, *graph, *outputs, *graph.inputs, *graph.initializers.values()):
        part.metadata_props.clear()
        part.doc_string = None


class _ClassifierOfRows(FirstTokenClassifier):
    """A classifier that returns logits of shape (sequences, 1)."""

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        return super().forward(input_ids, attention_mask, token_type_ids)[:, None]


def _example(pad_token_id: int, *, takes_type_ids: bool) -> dict[str, torch.Tensor]:
    columns = torch.arange(max(EXAMPLE_LENGTHS))
    mask = columns < torch.tensor(EXAMPLE_LENGTHS)[:, None]
    ids = torch.where(mask, 3 + columns, pad_token_id)
    inputs = {"input_ids": ids, "attention_mask": mask.long()}
    return inputs | ({"token_type_ids": torch.zeros_like(ids)} if takes_type_ids else {})


def _bytes(model: Any) -> int:
    return sum(weight.const_value.nbytes for weight in model.graph.initializers.values())


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide the exporter's warnings, which are not about this model."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
