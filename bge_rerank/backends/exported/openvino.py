"""`OpenVinoScorer`, the `openvino` backend: exported graphs on the CPU with OpenVINO, without torch."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bge_rerank.backends.cores import threads_of
from bge_rerank.backends.encoder.batches import coarse_length, padded
from bge_rerank.backends.encoder.pairs import EncodedPair
from bge_rerank.backends.encoder.scorer import EncoderScorer
from bge_rerank.backends.exported.files import ExportedModel, read_export, without_links
from bge_rerank.backends.exported.foreign import (
    LOGITS,
    check_ports,
    check_scores,
    one_logit_a_row,
)
from bge_rerank.backends.exported.products import (
    HINTS,
    keep_states_in_float,
    openvino_gains_by_bfloat16,
    sums_saturate,
)
from bge_rerank.backends.exported.silent import openvino_reports_nothing
from bge_rerank.backends.machine import (
    BatchSizes,
    Unit,
    cpu_flags,
    cpu_has_bfloat16,
    matrix_unit,
)
from bge_rerank.errors import ConfigurationError, ModelLoadError, ScoringError
from bge_rerank.models.config import ScorerConfig

with openvino_reports_nothing():
    import openvino as ov
    from openvino import opset13 as ops

logger = logging.getLogger(__name__)

BATCH_SIZES: Mapping[Unit, tuple[int, int]] = {
    "amx": (2_048, 300),
    "avx512": (1_024, 64),
    "other": (1_024, 32),
}
"""The token budget of a batch and its fixed cost, by the instructions for products. Measurements: benchmarks/LOG.md."""

RUNTIME_CACHE = {"CPU_RUNTIME_CACHE_CAPACITY": 500}
"""The number of operations compiled for a shape that OpenVINO keeps; its default is 5,000.

A service with small calls has many shapes. With the default, the operations of `mini` took half a gigabyte. With only
50, bfloat16 was slower."""


class OpenVinoScorer(EncoderScorer):
    """A scorer with an exported encoder. All cores run one batch at a time."""

    def __init__(self, config: ScorerConfig) -> None:
        """Read and compile the graph.

        Raises:
            ModelLoadError: The graph is missing or damaged.
            ConfigurationError: An option does not fit the model or the backend.
        """
        exported = read_export(config)
        precision = _precision(config, exported)
        runner = OpenVinoRunner(_compile(config, exported, precision), exported)
        if not exported.is_ours:
            check_scores(exported.graph, runner, exported.encoder, precision)
        super().__init__(
            config,
            exported.encoder,
            [runner],
            precision,
            sizes=_sizes(precision),
            coarse_lengths=True,
        )
        self.graph = exported.graph
        self.source_model = exported.source_model
        self.source_revision = exported.source_revision


class OpenVinoRunner:
    """A runner of one batch at a time."""

    def __init__(self, compiled: ov.CompiledModel, exported: ExportedModel) -> None:
        """Make an infer request."""
        self._inputs = [node.get_any_name() for node in compiled.inputs]
        outputs = [name for node in compiled.outputs for name in sorted(node.get_names())]
        check_ports(exported.graph, self._inputs, outputs)
        self._request = compiled.create_infer_request()
        self._graph = exported.graph
        self._pad_token_id = exported.pad_token_id
        self._max_length = exported.encoder.max_length

    def __call__(self, batch: Sequence[EncodedPair]) -> list[float]:
        """Return the logits of a batch.

        Raises:
            ScoringError: The forward pass failed.
        """
        longest = max(len(pair.ids) for pair in batch)
        # OpenVINO keeps code and buffers for each shape.
        arrays = padded(batch, self._pad_token_id, coarse_length(longest, self._max_length))
        try:
            outputs = self._request.infer(
                {name: arrays[name] for name in self._inputs}, share_inputs=True
            )
        except (RuntimeError, UnicodeDecodeError) as error:
            raise ScoringError(
                f"the forward pass failed in OpenVINO: {_last_line(error)}"
            ) from error
        return one_logit_a_row(self._graph, outputs[LOGITS], len(batch))


def _sizes(precision: str) -> BatchSizes:
    unit = matrix_unit(precision, cpu_flags())
    return BatchSizes(*BATCH_SIZES[unit], f"for {unit}")


def _precision(config: ScorerConfig, exported: ExportedModel) -> str:
    """Return the precision in which OpenVINO computes.

    Raises:
        ConfigurationError: The export cannot run in the requested precision.
    """
    precision = _asked_precision(config, exported)
    if precision != "bfloat16" or not cpu_flags():
        return precision
    if config.dtype == "bfloat16" and not openvino_gains_by_bfloat16(threads_of(config)):
        logger.warning(
            "dtype is 'bfloat16', but OpenVINO multiplies float32 faster on this CPU; leave dtype out"
        )
    # Without instructions for bfloat16, OpenVINO computes in float32.
    return precision if cpu_has_bfloat16() else "float32"


def _asked_precision(config: ScorerConfig, exported: ExportedModel) -> str:
    """Return the precision: the export's own, or the requested one of float32 and bfloat16.

    A model that was exported on first use computes in the faster one of the two, as in torch.

    Raises:
        ConfigurationError: The export cannot run in the requested precision.
    """
    own = "float32" if exported.precision == "float16" else exported.precision
    if config.dtype == "auto" and exported.is_cached and own == "float32":
        return "bfloat16" if openvino_gains_by_bfloat16(threads_of(config)) else "float32"
    if config.dtype in ("auto", own):
        return own
    if own == "int8" or config.dtype not in ("float32", "bfloat16"):
        raise ConfigurationError(
            f"dtype is {config.dtype!r}, but this export is {exported.precision}; leave dtype out, "
            "or export the model in another precision"
        )
    return config.dtype


def _compile(config: ScorerConfig, exported: ExportedModel, precision: str) -> ov.CompiledModel:
    core = ov.Core()
    _limit_runtime_cache(core)
    # With two streams, OpenVINO 2026.4 once returned one of 128 float32 logits wrong by 3.
    options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
    if config.threads is not None:
        options["INFERENCE_NUM_THREADS"] = config.threads
    if precision != "int8":
        options["INFERENCE_PRECISION_HINT"] = HINTS[precision]
    # Without a hint, the rest of an int8 graph runs in bfloat16 wherever the CPU has instructions for it.
    elif cpu_has_bfloat16() and not openvino_gains_by_bfloat16(threads_of(config)):
        options["INFERENCE_PRECISION_HINT"] = HINTS["float32"]
    try:
        with without_links(exported.graph) as path:
            graph = core.read_model(path)
            _keep_keys_in_rows(graph)
            if precision == "int8" and sums_saturate():
                keep_states_in_float(graph)
                logger.info(
                    "products in 8 bits are not exact on this CPU, so OpenVINO multiplies 8-bit weights in float32"
                )
            return core.compile_model(graph, "CPU", options)
    except (
        OSError,
        RuntimeError,
        UnicodeDecodeError,
    ) as error:  # the last for damaged text of the graph
        raise ModelLoadError(
            f"OpenVINO cannot read {str(exported.graph)!r}: {_last_line(error)}; export or download the model again"
        ) from error


def _last_line(error: Exception) -> str:
    """Return the last line of an error, which names the fault. The lines before name places in OpenVINO's sources."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1]


def _keep_keys_in_rows(graph: ov.Model) -> None:
    """Let the products of attention read keys by columns, instead of transposing the keys first.

    An exported graph transposes keys to (sequences, heads, width, tokens), number by number. OpenVINO can read columns
    while it multiplies. Then whole rows are moved to (sequences, heads, tokens, width), in a quarter of the time. With
    `mini` in int8 this saves 2 to 3 % of the total.
    """
    for product in graph.get_ops():
        if product.get_type_name() != "MatMul" or product.get_attributes()["transpose_b"]:
            continue
        keys = product.input_value(1).get_node()
        if keys.get_type_name() == "Transpose" and _order(keys) == [0, 2, 3, 1]:
            rows = ops.transpose(keys.input_value(0), np.array([0, 2, 1, 3]))
            transposes = product.get_attributes() | {"transpose_b": True}
            by_columns = ops.matmul(product.input_value(0), rows, **transposes)
            product.output(0).replace(by_columns.output(0))


def _order(transpose: ov.Node) -> list[int] | None:
    order = transpose.input_value(1).get_node()
    return order.data.tolist() if order.get_type_name() == "Constant" else None


def _limit_runtime_cache(core: ov.Core) -> None:
    """Limit what OpenVINO keeps for shapes. The property is internal, so a later version may lack it."""
    core.get_versions("CPU")  # Loads the plugin, which ignores unknown properties before.
    try:
        core.set_property("CPU", RUNTIME_CACHE)
    except RuntimeError:
        logger.debug(
            "OpenVINO %s does not take %s, so it may use more memory", ov.__version__, RUNTIME_CACHE
        )
