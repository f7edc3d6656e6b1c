"""Who takes part on CPUs."""

from __future__ import annotations

from functools import partial
from typing import Literal

from bge_rerank.cli.bench import ours, peers
from bge_rerank.cli.bench.contenders import BY_OTHERS, REFERENCE, Contender

BATCH_SIZES = (4, 8, 16, 32)
"""What is tried where a row is of a contender's best batch size."""


def _ours(
    backend: str,
    precision: Literal["float32", "bfloat16", "int8"],
    library: str,
    export: str | None = None,
) -> Contender:
    return Contender(
        name=f"bge-rerank {backend} {precision}",
        build=partial(ours.build, backend, "auto" if precision == "int8" else precision),
        precision=precision,
        modules=(library,),
        export=export,
        is_ours=True,
    )


OURS = (
    _ours("torch", "float32", "transformers"),
    _ours("torch", "bfloat16", "transformers"),
    _ours("openvino", "float32", "openvino", "bge-rerank fp32"),
    _ours("openvino", "bfloat16", "openvino", "bge-rerank fp32"),
    _ours("openvino", "int8", "openvino", "bge-rerank int8"),
    _ours("onnx", "float32", "onnxruntime", "bge-rerank fp32"),
    _ours("onnx", "int8", "onnxruntime", "bge-rerank int8"),
    _ours("flag", "float32", "FlagEmbedding"),
)
"""This package: every backend in every precision."""


def _flag(name: str, batch_sizes: tuple[int, ...] = ()) -> Contender:
    build = partial(peers.flag, "float32")
    return Contender(name, build, "float32", ("FlagEmbedding",), batch_sizes=batch_sizes)


def _cross_encoder(
    name: str, precision: str, batch_sizes: tuple[int, ...] = (), **model_kwargs: object
) -> Contender:
    return Contender(
        f"CrossEncoder torch {name}",
        partial(peers.cross_encoder, "torch", model_kwargs),
        precision,
        ("sentence_transformers",),
        batch_sizes=batch_sizes,
    )


def _exported_cross_encoder(
    backend: str, precision: str, export: str, **model_kwargs: object
) -> Contender:
    library = {"onnx": "optimum.onnxruntime", "openvino": "optimum.intel.openvino"}[backend]
    return Contender(
        f"CrossEncoder {backend} {precision}",
        partial(peers.cross_encoder, backend, model_kwargs),
        precision,
        ("sentence_transformers", library),
        export=export,
    )


PEERS = (
    _flag(REFERENCE),
    _flag(f"{REFERENCE}, best batch", BATCH_SIZES),
    _cross_encoder("float32", "float32"),
    _cross_encoder("float32, best batch", "float32", BATCH_SIZES),
    _cross_encoder("bfloat16, best batch", "bfloat16", BATCH_SIZES, dtype="bfloat16"),
    _exported_cross_encoder("onnx", "float32", "CrossEncoder onnx"),
    _exported_cross_encoder("onnx", "int8", "CrossEncoder onnx", file_name="onnx/model_int8.onnx"),
    *(
        _exported_cross_encoder(
            "openvino",
            precision,
            "CrossEncoder openvino",
            ov_config={"INFERENCE_PRECISION_HINT": hint},
        )
        for precision, hint in (("float32", "f32"), ("bfloat16", "bf16"))
    ),
    _exported_cross_encoder("openvino", "int8", "CrossEncoder openvino int8"),
    *BY_OTHERS,
)
"""Other packages, on torch in float32 with their default batch size unless the name says otherwise.

OpenVINO computes float32 models in bfloat16 by itself where the CPU has instructions for it, so the
row in bfloat16 is what its users see there.
"""
