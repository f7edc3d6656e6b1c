"""Quantise the layers of an exported graph to 8-bit weights and activations, with NNCF.

The scales are static: calibration fixes one for each tensor of activations, and one for each output channel
of weights. So a pair's score does not depend on the other pairs of its batch, as it would with scales that
are computed for each batch (onnxruntime #10111). Sensitive products keep a higher precision (`kept_in_float`).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import onnx
from onnx.external_data_helper import load_external_data_for_model

from bge_rerank.backends.encoder.batches import padded
from bge_rerank.backends.encoder.pairs import EncodedPair
from bge_rerank.backends.exported.silent import openvino_reports_nothing
from bge_rerank.export.kept_in_float import kept_in_float, lookups, with_table_in_half

with openvino_reports_nothing():  # NNCF sends its reports through the same package
    import nncf
    from nncf.onnx.quantization.backend_parameters import BackendParameters
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

ACTIVATION_RANGES = RangeEstimatorParametersSet.MINMAX
"""Activations are not clipped within the range of the samples. On mini and 1,080 pairs of three collections, the
root mean square error of a logit was 0.071. With NNCF's default, the mean extremes of the samples, it was 0.079."""


def quantise_graph(path: Path, samples: Sequence[EncodedPair], pad_token_id: int) -> None:
    """Replace a float32 graph by one that computes its layers in 8 bits.

    The samples set the ranges of the activations. They should be pairs like those that the export will score.
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
                # The inputs are scaled already (`export/scaling.py`).
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
    """Show NNCF's progress bars and errors on standard error, and hide its notes on each product."""
    level = logging.getLogger("nncf").level
    nncf.set_log_level(logging.ERROR)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        nncf.set_log_level(level)
