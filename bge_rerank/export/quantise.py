"""8-bit weights and activations for the layers of an exported graph, by NNCF.

The scales are static: fixed by calibration, one a tensor of activations and one an output channel of
weights. So a score stays the pair's own, which one scale computed anew for each batch does not keep
(onnxruntime #10111). Left in higher precision are the products of attention, which no runtime gains
from in 8 bits, and the head, whose outputs are few and whose errors are the score's own.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import nncf
import onnx
from nncf.onnx.quantization.backend_parameters import BackendParameters
from onnx.external_data_helper import load_external_data_for_model

from bge_rerank.padding import padded
from bge_rerank.pair_encoding import EncodedPair

SMOOTHING = 0.9
"""How much of the activations' spread goes into the weights (SmoothQuant's alpha). On mini, the
correlation with float32 was 0.9992 from 0.8 to 0.9 and 0.9991 at 0.95."""
HEAD_MATRICES = 2
"""The two products of a BERT pooler and classifier, or of RoBERTa's head: the last of the graph."""


def quantise_graph(path: Path, samples: Sequence[EncodedPair], pad_token_id: int) -> None:
    """Replace a float32 graph by one that computes its layers in 8 bits.

    Args:
        path: The graph; its large weights, if any, lie beside it.
        samples: What the activations' ranges are taken from: pairs like those to be scored.
        pad_token_id: What rows are padded with.
    """
    graph = onnx.load(path, load_external_data=False)
    inputs = [node.name for node in graph.graph.input]

    def feed(sample: EncodedPair) -> dict[str, Any]:
        arrays = padded([sample], pad_token_id)
        return {name: arrays[name] for name in inputs}

    with _messages_on_standard_error():
        quantised = nncf.quantize(
            graph,
            nncf.Dataset(samples, feed),
            model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(samples),
            ignored_scope=nncf.IgnoredScope(names=kept_in_float(graph)),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=SMOOTHING),
                backend_params={BackendParameters.EXTERNAL_DATA_DIR: str(path.parent.resolve())},
            ),
        )
    load_external_data_for_model(quantised, str(path.parent))
    for stale in path.parent.glob(f"{path.name}*"):
        stale.unlink()
    onnx.save(quantised, path)


def kept_in_float(graph: onnx.ModelProto) -> list[str]:
    """Return the names of the products that stay as they are: attention's, and the head's."""
    weights = {weight.name for weight in graph.graph.initializer}
    products = [node for node in graph.graph.node if node.op_type in ("MatMul", "Gemm")]
    of_weights = [node.name for node in products if node.input[1] in weights]
    of_activations = [node.name for node in products if node.input[1] not in weights]
    return of_activations + of_weights[-HEAD_MATRICES:]


@contextmanager
def _messages_on_standard_error() -> Iterator[None]:
    """Leave NNCF its progress bars and its errors, and keep its notes on each product back."""
    level = logging.getLogger("nncf").level
    nncf.set_log_level(logging.ERROR)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        nncf.set_log_level(level)
