"""Who takes part on CUDA devices."""

from __future__ import annotations

from functools import partial
from typing import Literal

from bge_rerank.cli.bench import ours, peers
from bge_rerank.cli.bench.contenders import BY_OTHERS, REFERENCE, Contender

BATCH_SIZES = (16, 32, 64, 128, 256)
"""What is tried where a row is of a contender's best batch size."""


def _ours(backend: str, precision: Literal["float32", "bfloat16", "float16"]) -> Contender:
    library = {"torch": "transformers", "flag": "FlagEmbedding"}[backend]
    return Contender(
        name=f"bge-rerank {backend} {precision}",
        build=partial(ours.build, backend, precision),
        precision=precision,
        modules=(library,),
        is_ours=True,
    )


OURS = (
    _ours("torch", "float16"),
    _ours("torch", "bfloat16"),
    Contender(
        name="bge-rerank torch float16, padded",
        build=partial(ours.build_padded, "float16"),
        precision="float16",
        modules=("transformers",),
        is_ours=True,
    ),
    _ours("torch", "float32"),
    _ours("flag", "float16"),
)
"""This package: the backends that compute there, in every precision. One row shows what packing is worth."""


def _flag(name: str, batch_sizes: tuple[int, ...] = ()) -> Contender:
    build = partial(peers.flag, "float16")
    return Contender(name, build, "float16", ("FlagEmbedding",), batch_sizes=batch_sizes)


def _cross_encoder(name: str, precision: str, batch_sizes: tuple[int, ...] = ()) -> Contender:
    return Contender(
        f"CrossEncoder torch {name}",
        partial(peers.cross_encoder, "torch", {"dtype": precision}),
        precision,
        ("sentence_transformers",),
        batch_sizes=batch_sizes,
    )


PEERS = (
    _flag(REFERENCE),
    _flag(f"{REFERENCE}, best batch", BATCH_SIZES),
    _cross_encoder("float16", "float16"),
    _cross_encoder("float16, best batch", "float16", BATCH_SIZES),
    _cross_encoder("bfloat16, best batch", "bfloat16", BATCH_SIZES),
    *BY_OTHERS,
)
"""Other packages, with their default batch size and precision unless the name says otherwise."""
