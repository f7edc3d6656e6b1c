"""Models with a known architecture and random weights, which have the speed and memory of the real model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEED = 7
FIRST_ATTENTION = 50.0
OTHER_BRANCHES = 0.03


@dataclass(frozen=True, slots=True)
class Geometry:
    """The sizes of an XLM-RoBERTa classifier. The defaults are those of `BAAI/bge-reranker-v2-m3`."""

    layers: int = 24
    hidden: int = 1_024
    heads: int = 16
    intermediate: int = 4_096
    positions: int = 8_192
    vocabulary: int = 250_002


GEOMETRIES = {"v2-m3": Geometry()}
"""The architectures that can be built by name."""


def make_random_reranker(geometry: Geometry, folder: Path) -> None:
    """Write a reranker with random float32 weights in transformers' layout.

    The tokenizer is that of `mini`, so English text has a usual number of tokens. There is one segment, as
    in XLM-RoBERTa. The scores are meaningless.
    """
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification

    torch.manual_seed(SEED)
    config = XLMRobertaConfig(
        vocab_size=geometry.vocabulary,
        hidden_size=geometry.hidden,
        num_hidden_layers=geometry.layers,
        num_attention_heads=geometry.heads,
        intermediate_size=geometry.intermediate,
        max_position_embeddings=geometry.positions + 1,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        pad_token_id=0,
    )
    config.num_labels = 1
    model = XLMRobertaForSequenceClassification(config)
    _calm(model)
    model.save_pretrained(folder)
    _save_tokenizer(folder, geometry.positions)


def _calm(model: Any) -> None:
    """Scale the weights so that scores depend more on the texts than on rounding, as with trained weights.

    With unscaled random weights, the rounding error grows from layer to layer, and a correct int8 export
    looks broken. With these, the first layer mixes the texts into the first token, and the other layers
    add little.
    """
    for name, weights in model.named_parameters():
        if not name.endswith((".value.weight", "output.dense.weight")):
            continue
        if ".layer.0.attention." in name:
            weights.data.mul_(FIRST_ATTENTION)
        elif name.endswith("output.dense.weight"):
            weights.data.mul_(OTHER_BRANCHES)


def _save_tokenizer(folder: Path, positions: int) -> None:
    from transformers import AutoTokenizer

    import bge_rerank_mini

    AutoTokenizer.from_pretrained(
        bge_rerank_mini.path(),
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=positions,
    ).save_pretrained(folder)
