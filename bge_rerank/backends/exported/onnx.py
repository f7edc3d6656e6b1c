"""`OnnxScorer`, the `onnx` backend: exported graphs on the CPU with ONNX Runtime, without torch."""

from __future__ import annotations

from collections.abc import Sequence

from bge_rerank.backends.cores import threads_of
from bge_rerank.backends.encoder.batches import padded
from bge_rerank.backends.encoder.pairs import EncodedPair
from bge_rerank.backends.encoder.scorer import EncoderScorer
from bge_rerank.backends.exported.files import ExportedModel, read_export
from bge_rerank.backends.exported.foreign import (
    LOGITS,
    check_ports,
    check_scores,
    one_logit_a_row,
)
from bge_rerank.backends.exported.silent import onnxruntime_reports_nothing
from bge_rerank.backends.machine import BatchSizes, cpu_flags
from bge_rerank.errors import ConfigurationError, ModelLoadError, ScoringError
from bge_rerank.models.config import ScorerConfig

with onnxruntime_reports_nothing():
    import onnxruntime as ort
    from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

_ORT_ERRORS = (
    ort_errors.EPFail,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    UnicodeDecodeError,  # an error that repeats damaged text of the graph
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)
"""The errors of ONNX Runtime, which share no base class except Exception."""

BATCH_SIZES = BatchSizes(512, 32, "because attention of ONNX Runtime is slower in larger batches")

EXACT_SUMS = ("session.x64quantprecision", "1")
"""ONNX Runtime's option against saturated sums of 8-bit products, which x86 CPUs without VNNI have. With VNNI it changes no
score, and cost `mini` a quarter of its speed."""
VNNI = frozenset(("avx512_vnni", "avx_vnni"))
"""Linux's names of the instructions for exact sums. On other systems none are known, so the option is set."""


class OnnxScorer(EncoderScorer):
    """A scorer with an exported encoder. Each core runs one batch at the same time."""

    def __init__(self, config: ScorerConfig) -> None:
        """Read the graph.

        Raises:
            ModelLoadError: The graph is missing or damaged.
            ConfigurationError: An option does not fit the model or the backend.
        """
        exported = read_export(config)
        precision = _precision(config, exported)
        runner = OnnxRunner(exported)
        if not exported.is_ours:
            check_scores(exported.graph, runner, exported.encoder, precision)
        super().__init__(
            config,
            exported.encoder,
            [runner] * threads_of(config),
            precision,
            sizes=BATCH_SIZES,
        )
        self.graph = exported.graph
        self.source_model = exported.source_model
        self.source_revision = exported.source_revision


class OnnxRunner:
    """A runner of batches on the calling thread. Several threads can share it."""

    def __init__(self, exported: ExportedModel) -> None:
        """Read the graph. Each batch uses one thread."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        if cpu_flags().isdisjoint(VNNI):
            options.add_session_config_entry(*EXACT_SUMS)
        try:
            self._session = ort.InferenceSession(
                exported.graph,
                options,
                providers=["CPUExecutionProvider"],
                enable_fallback=0,  # it prints, and there is no other provider
            )
        except _ORT_ERRORS as error:
            raise ModelLoadError(
                f"ONNX Runtime cannot read {str(exported.graph)!r}: {error}; export or download the model again"
            ) from error
        self._inputs = [node.name for node in self._session.get_inputs()]
        outputs = [node.name for node in self._session.get_outputs()]
        check_ports(exported.graph, self._inputs, outputs)
        self._graph = exported.graph
        self._pad_token_id = exported.pad_token_id

    def __call__(self, batch: Sequence[EncodedPair]) -> list[float]:
        """Return the logits of a batch.

        Raises:
            ScoringError: The forward pass failed.
        """
        arrays = padded(batch, self._pad_token_id)
        try:
            [logits] = self._session.run([LOGITS], {name: arrays[name] for name in self._inputs})
        except _ORT_ERRORS as error:
            raise ScoringError(f"the forward pass failed in ONNX Runtime: {error}") from error
        return one_logit_a_row(self._graph, logits, len(batch))


def _precision(config: ScorerConfig, exported: ExportedModel) -> str:
    """Return the precision: float32 for a bfloat16 export, because ONNX Runtime has no bfloat16 on CPUs.

    Raises:
        ConfigurationError: The export cannot run in the requested precision.
    """
    own = "float32" if exported.precision == "bfloat16" else exported.precision
    if config.dtype not in ("auto", own):
        raise ConfigurationError(
            f"dtype is {config.dtype!r}, but backend 'onnx' runs this export only in {own}; leave dtype out, or use "
            "backend='openvino'"
        )
    return own
