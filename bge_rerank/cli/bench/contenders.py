"""The table of the contenders: their names, loaders and requirements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from bge_rerank.cli.bench import loaders
from bge_rerank.errors import ConfigurationError

CPU_BATCH_SIZES = (4, 8, 16, 32)
CUDA_BATCH_SIZES = (16, 32, 64, 128, 256)
REFERENCE = "FlagReranker"
"""All rates and scores are compared with this contender, called as tutorials call it."""

Precision = Literal["float32", "bfloat16", "float16", "int8"]


@dataclass(frozen=True, slots=True)
class Contender:
    """One row of the benchmark.

    Attributes:
        build: Loads the contender from a folder, for a longest sequence in tokens, onto a device.
            Returns `rank(query, documents)`, which gives scores in input order. With `batch_sizes`,
            `rank` takes `batch_size=` too.
        precision: The precision of its numbers, to compare with the machine's matrix-multiply rate.
            `None` if unknown.
        modules: The modules that it imports. If one is missing, the row says so.
        export: The name of the export that it reads (`bge_rerank.cli.bench.exports`). `None` reads
            the weights.
        batch_sizes: The batch sizes to try; the fastest is measured. Empty keeps the package's default.
        is_server: Whether it is a server. The memory of servers is not measured.
    """

    name: str
    build: Callable[[Path, int, str], loaders.Rank]
    precision: str | None
    modules: tuple[str, ...] = ()
    scale: Literal["logit", "sigmoid"] = "logit"
    export: str | None = None
    batch_sizes: tuple[int, ...] = ()
    is_ours: bool = False
    is_server: bool = False


def _ours(backend: str, precision: Precision, export: str | None = None) -> Contender:
    library = {"torch": "transformers", "onnx": "onnxruntime", "flag": "FlagEmbedding"}
    return Contender(
        f"bge-rerank {backend} {precision}",
        partial(loaders.ours, backend, "auto" if precision == "int8" else precision),
        precision,
        (library.get(backend, backend),),
        export=export,
        is_ours=True,
    )


OURS = {
    "cpu": (
        _ours("torch", "float32"),
        _ours("torch", "bfloat16"),
        _ours("openvino", "float32", "bge-rerank fp32"),
        _ours("openvino", "bfloat16", "bge-rerank fp32"),
        _ours("openvino", "int8", "bge-rerank int8"),
        _ours("onnx", "float32", "bge-rerank fp32"),
        _ours("onnx", "int8", "bge-rerank int8"),
        _ours("flag", "float32"),
    ),
    "cuda": (
        _ours("torch", "float16"),
        _ours("torch", "bfloat16"),
        replace(
            _ours("torch", "float16"),
            name="bge-rerank torch float16, padded",
            build=partial(loaders.ours_padded, "float16"),
        ),
        _ours("torch", "float32"),
        _ours("flag", "float16"),
    ),
}
"""This package's backends in every precision, by the kind of device. The padded row shows the gain of packing."""


def _flag(precision: Literal["float32", "float16"], batch_sizes: tuple[int, ...] = ()) -> Contender:
    return Contender(
        f"{REFERENCE}, best batch" if batch_sizes else REFERENCE,
        partial(loaders.flag, precision),
        precision,
        ("FlagEmbedding",),
        batch_sizes=batch_sizes,
    )


def _cross_encoder(precision: Precision, batch_sizes: tuple[int, ...] = ()) -> Contender:
    dtype = {} if precision == "float32" else {"dtype": precision}
    return Contender(
        f"CrossEncoder torch {precision}{', best batch' if batch_sizes else ''}",
        partial(loaders.cross_encoder, "torch", dtype),
        precision,
        ("sentence_transformers",),
        batch_sizes=batch_sizes,
    )


def _exported_cross_encoder(
    backend: str, precision: Precision, export: str, **model_kwargs: object
) -> Contender:
    library = {"onnx": "optimum.onnxruntime", "openvino": "optimum.intel.openvino"}[backend]
    return Contender(
        f"CrossEncoder {backend} {precision}",
        partial(loaders.cross_encoder, backend, model_kwargs),
        precision,
        ("sentence_transformers", library),
        export=export,
    )


def _in_openvino(precision: Precision, hint: str) -> Contender:
    config = {"INFERENCE_PRECISION_HINT": hint}
    return _exported_cross_encoder("openvino", precision, "CrossEncoder openvino", ov_config=config)


_ON_ANY_DEVICE = (
    Contender(
        "LangChain CrossEncoderReranker",
        loaders.langchain,
        "float32",
        ("langchain_classic", "langchain_community", "sentence_transformers"),
        "sigmoid",
    ),
    Contender(
        "LlamaIndex SentenceTransformerRerank",
        loaders.llamaindex,
        "float32",
        ("llama_index.core", "sentence_transformers"),
        "sigmoid",
    ),
    Contender("rerankers", loaders.rerankers, "float32", ("rerankers", "transformers")),
)

PEERS = {
    "cpu": (
        _flag("float32"),
        _flag("float32", CPU_BATCH_SIZES),
        _cross_encoder("float32"),
        _cross_encoder("float32", CPU_BATCH_SIZES),
        _cross_encoder("bfloat16", CPU_BATCH_SIZES),
        _exported_cross_encoder("onnx", "float32", "CrossEncoder onnx"),
        _exported_cross_encoder(
            "onnx", "int8", "CrossEncoder onnx", file_name="onnx/model_int8.onnx"
        ),
        _in_openvino("float32", "f32"),
        _in_openvino("bfloat16", "bf16"),
        _exported_cross_encoder("openvino", "int8", "CrossEncoder openvino int8"),
        *_ON_ANY_DEVICE,
    ),
    "cuda": (
        _flag("float16"),
        _flag("float16", CUDA_BATCH_SIZES),
        _cross_encoder("float16"),
        _cross_encoder("float16", CUDA_BATCH_SIZES),
        _cross_encoder("bfloat16", CUDA_BATCH_SIZES),
        *_ON_ANY_DEVICE,
    ),
}
"""Other packages, by the kind of device. Unless the name says otherwise, they use their default batch size.

On a CPU with bfloat16 instructions, OpenVINO computes float32 models in bfloat16 by default, so its users
get the rate of the bfloat16 row.
"""


def server(url: str, dialect: str, model_name: str) -> Contender:
    """Return the contender that asks a running server. `dialect` names the backend for its wire format."""
    build = partial(loaders.ask_server, dialect, url, model_name)
    return Contender(f"{dialect} at {url}", build, None, ("httpx",), is_server=True)


def choose(contenders: Sequence[Contender], parts: Iterable[str]) -> list[Contender]:
    """Return the contenders whose names contain one of the parts, ignoring case. Without parts, return all.

    Raises:
        ConfigurationError: A part occurs in none of the names.

    >>> [contender.name for contender in choose(OURS["cpu"], ["openvino int8", "flag"])]
    ['bge-rerank openvino int8', 'bge-rerank flag float32']
    """
    wanted = [part.lower() for part in parts]
    for part in wanted:
        if not any(part in contender.name.lower() for contender in contenders):
            names = "; ".join(contender.name for contender in contenders)
            raise ConfigurationError(f"no contender's name contains {part!r}; choose from: {names}")
    return [
        contender
        for contender in contenders
        if not wanted or any(part in contender.name.lower() for part in wanted)
    ]
