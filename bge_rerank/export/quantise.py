"""8-bit weights and activations for the layers of an exported graph, by NNCF.

The scales are static: fixed by calibration, one a tensor of activations and one an output channel of
weights. So a score stays the pair's own, which one scale computed anew for each batch does not keep
(onnxruntime #10111). The sensitive matrices stay in higher precision (`kept_in_float`).
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
from nncf.quantization.range_estimator import RangeEstimatorParametersSet
from onnx.external_data_helper import load_external_data_for_model

from bge_rerank.backends.encoder.batches import padded
from bge_rerank.backends.encoder.pairs import EncodedPair
from bge_rerank.export.kept_in_float import kept_in_float, lookups, with_table_in_half

ACTIVATION_RANGES = RangeEstimatorParametersSet.MINMAX
"""Nothing that calibration met is clipped. On mini and 1,080 pairs of three collections the logit's root mean
square error was 0.071 so, and 0.079 with the samples' mean extremes, which are NNCF's own choice."""


def quantise_graph(path: Path, samples: Sequence[EncodedPair], pad_token_id: int) -> None:
    """Replace a float32 graph by one that computes its layers in 8 bits.

    The activations' ranges are taken from the samples: pairs like those to be scored.
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
                activations_range_estimator_params=ACTIVATION_RANGES,
                # Inputs are scaled before (`export/scaling.py`): NNCF leaves them as they are.
                smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=-1),
                backend_params={BackendParameters.EXTERNAL_DATA_DIR: str(path.parent.resolve())},
            ),
        )
    load_external_data_for_model(quantised, str(path.parent))
    with_table_in_half(quantised, lookups(graph)[-1].name)
    for stale in path.parent.glob(f"{path.name}*"):
        stale.unlink()
    onnx.save(quantised, path)


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
