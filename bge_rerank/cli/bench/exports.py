"""The exports that contenders read. Each is made once per run, before the timed calls."""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bge_rerank.backends.machine import cpu_flags
from bge_rerank.export.samples import sample_pairs
from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.files import model_folder
from bge_rerank.models.manifest import Precision

CALIBRATION_PAIRS = 128
"""The number of pairs for calibration: Optimum's default."""
CALIBRATION_TOKENS = 384
"""The length to which Sentence Transformers pads its calibration pairs."""


def write_float32(model_name: str, folder: Path) -> None:
    """Write a model's weights in float32, so that every contender reads the same weights.

    With half-precision weights, some contenders would compute in half precision.
    """
    from transformers import AutoTokenizer

    from bge_rerank.backends.torch.scorer import load_classifier

    config = ScorerConfig(model_name)
    source = model_folder(config)
    load_classifier(config, source).float().save_pretrained(folder)
    AutoTokenizer.from_pretrained(source).save_pretrained(folder)


def _ours(precision: Precision, weights: Path, folder: Path) -> None:
    from bge_rerank.export import export_model

    export_model(str(weights), folder, precision)


def _cross_encoder_onnx(weights: Path, folder: Path) -> None:
    """Export and quantise with Sentence Transformers, as its documentation says."""
    import optimum.onnxruntime  # noqa: F401 - if it is missing, the error is clearer here
    from sentence_transformers import export_dynamic_quantized_onnx_model

    model = _saved_cross_encoder("onnx", weights, folder)
    export_dynamic_quantized_onnx_model(model, _instructions(), str(folder), file_suffix="int8")


def _cross_encoder_openvino(weights: Path, folder: Path) -> None:
    import optimum.intel.openvino  # noqa: F401 - as above

    _saved_cross_encoder("openvino", weights, folder)


def _cross_encoder_openvino_int8(weights: Path, folder: Path) -> None:
    """Quantise with the settings of Sentence Transformers' documentation, and our calibration pairs.

    The function of Sentence Transformers would download its calibration pairs from the hub.
    """
    from datasets import Dataset
    from optimum.intel.openvino import OVConfig, OVQuantizationConfig, OVQuantizer

    model = _saved_cross_encoder("openvino", weights, folder)
    queries, passages = zip(*sample_pairs(CALIBRATION_PAIRS), strict=True)
    samples = model.tokenizer(
        list(queries),
        list(passages),
        padding="max_length",
        max_length=CALIBRATION_TOKENS,
        truncation=True,
    )
    OVQuantizer.from_pretrained(model.transformers_model).quantize(
        calibration_dataset=Dataset.from_dict(dict(samples)),
        ov_config=OVConfig(quantization_config=OVQuantizationConfig()),
        save_directory=folder,
    )


def _instructions() -> str:
    """Return Optimum's name of the instruction set to quantise ONNX models for."""
    if platform.machine() in ("arm64", "aarch64"):
        return "arm64"
    return "avx512_vnni" if "avx512_vnni" in cpu_flags() else "avx2"


def _saved_cross_encoder(backend: str, weights: Path, folder: Path) -> Any:
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(weights), backend=backend, device="cpu")
    model.save_pretrained(str(folder))
    return model


EXPORTS: dict[str, Callable[[Path, Path], None]] = {
    "bge-rerank fp32": partial(_ours, "fp32"),
    "bge-rerank int8": partial(_ours, "int8"),
    "CrossEncoder onnx": _cross_encoder_onnx,
    "CrossEncoder openvino": _cross_encoder_openvino,
    "CrossEncoder openvino int8": _cross_encoder_openvino_int8,
}
"""For each name, the function that exports the weights in one folder to another folder."""
