"""Make tiny models with random weights for FlagEmbedding's three LLM-based rerankers.

There is one function for each kind. It writes ``config.json``, ``model.safetensors``
and a fast tokenizer to a folder, and returns the folder:

* :func:`make_tiny_gemma` - ``GemmaForCausalLM`` (``FlagLLMReranker``);
* :func:`make_tiny_layerwise` - ``LayerWiseMiniCPMForCausalLM``
  (``LayerWiseFlagLLMReranker``), heads for layers 1 to 4;
* :func:`make_tiny_lightweight` - ``CostWiseGemmaForCausalLM``
  (``LightWeightFlagLLMReranker``), heads for layers 1 to 4.

The weights are written by name, without a model class. So the folders are the same
with every version of ``transformers``, which is not imported. The scores of these
models are meaningless, but they are the same from run to run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

HIDDEN = 32
INTERMEDIATE = 64
LAYERS = 4
HEADS = 4
KV_HEADS = 2
HEAD_DIM = 8
VOCAB = 400
START_LAYER = 1
"""First layer with a score head in the layerwise and lightweight folders."""

PAD, EOS, BOS, UNK = "<pad>", "<eos>", "<bos>", "<unk>"
SPECIAL_TOKENS = (PAD, EOS, BOS, UNK)
"""The special tokens in the order of their ids 0 to 3, as in Gemma."""

SENTENCES = (
    "Yes, the passage contains an answer to the query.",
    "No, the passage does not contain an answer to the query.",
    "The harbour master counts the boats every morning.",
    "How many boats are in the harbour this morning?",
    "A baker leaves the dough to rest before it goes into the oven.",
    "Bread needs time to rise, and a hot oven.",
    "Predict whether the passage answers the query, Yes or No.",
    "The night train to the coast leaves from the second platform.",
)


def make_tiny_gemma(folder: str | Path, *, seed: int = 0, **config: Any) -> Path:
    """Make a plain Gemma causal language model (for ``FlagLLMReranker``).

    Args:
        folder: The folder to write. It is made if missing, and its files are replaced.
        seed: Seed of the random weights.
        config: Keys of ``config.json`` to add or replace.
    """
    base = {
        "architectures": ["GemmaForCausalLM"],
        "model_type": "gemma",
        "head_dim": HEAD_DIM,
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_activation": "gelu_pytorch_tanh",
        "tie_word_embeddings": True,
        "use_cache": True,
    }
    norms = ("input_layernorm", "post_attention_layernorm")
    shapes = _decoder_shapes(norms)
    return _write(Path(folder), base | config, _weights(shapes, seed, norm_at=0.0))


def make_tiny_layerwise(
    folder: str | Path, *, seed: int = 0, start_layer: int = START_LAYER, **config: Any
) -> Path:
    """Make a layerwise MiniCPM reranker (for ``LayerWiseFlagLLMReranker``).

    It has one head for each ``cutoff_layers`` value from ``start_layer`` to
    :data:`LAYERS`. ``auto_map`` names the code of the hub repository, as in a
    downloaded copy. The folder does not contain that code.

    Args:
        folder: The folder to write. It is made if missing, and its files are replaced.
        seed: Seed of the random weights.
        start_layer: First layer with a score head.
        config: Keys of ``config.json`` to add or replace.
    """
    repo, module = "BAAI/bge-reranker-v2-minicpm-layerwise", "modeling_minicpm_reranker"
    base = {
        "architectures": ["LayerWiseMiniCPMForCausalLM"],
        "model_type": "minicpm",
        "auto_map": {
            "AutoConfig": f"{repo}--configuration_minicpm_reranker.LayerWiseMiniCPMConfig",
            "AutoModel": f"{repo}--{module}.LayerWiseMiniCPMModel",
            "AutoModelForCausalLM": f"{repo}--{module}.LayerWiseMiniCPMForCausalLM",
        },
        "start_layer": start_layer,
        "head_multi": True,
        "head_type": "simple",
        "hidden_act": "silu",
        "scale_emb": 12,
        "scale_depth": 1.4,
        "dim_model_base": 16,
        "rope_scaling": None,
        "tie_word_embeddings": False,
        "use_cache": False,
    }
    norms = ("input_layernorm", "post_attention_layernorm")
    shapes = _decoder_shapes(norms) | _head_shapes(range(start_layer, LAYERS + 1))
    return _write(Path(folder), base | config, _weights(shapes, seed, norm_at=1.0))


def make_tiny_lightweight(
    folder: str | Path,
    *,
    seed: int = 0,
    start_layer: int = START_LAYER,
    layer_sep: int = 1,
    **config: Any,
) -> Path:
    """Make a cost-wise Gemma 2 reranker (for ``LightWeightFlagLLMReranker``).

    It has one head for each ``cutoff_layers`` value in
    ``range(start_layer, LAYERS + 1, layer_sep)``. ``auto_map`` names the code of the
    hub repository, as in a downloaded copy. The folder does not contain that code.

    Args:
        folder: The folder to write. It is made if missing, and its files are replaced.
        seed: Seed of the random weights.
        start_layer: First layer with a score head.
        layer_sep: Distance between two layers with a score head.
        config: Keys of ``config.json`` to add or replace.
    """
    repo = "BAAI/bge-reranker-v2.5-gemma2-lightweight"
    base = {
        "architectures": ["CostWiseGemmaForCausalLM"],
        "model_type": "cost_wise_gemma",
        "auto_map": {
            "AutoConfig": f"{repo}--gemma_config.CostWiseGemmaConfig",
            "AutoModel": f"{repo}--gemma_model.CostWiseGemmaModel",
            "AutoModelForCausalLM": f"{repo}--gemma_model.CostWiseGemmaForCausalLM",
        },
        "start_layer": start_layer,
        "layer_sep": layer_sep,
        "layer_wise": True,
        "attn_logit_softcapping": 50.0,
        "final_logit_softcapping": 30.0,
        "cache_implementation": "hybrid",
        "head_dim": HEAD_DIM,
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_activation": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": HEAD_DIM,
        "sliding_window": 4096,
        "sliding_window_size": 4096,
        "tie_word_embeddings": True,
        "use_cache": True,
    }
    norms = (
        "input_layernorm",
        "post_attention_layernorm",
        "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
    )
    shapes = _decoder_shapes(norms) | _head_shapes(range(start_layer, LAYERS + 1, layer_sep))
    return _write(Path(folder), base | config, _weights(shapes, seed, norm_at=0.0))


def _decoder_shapes(norms: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of each weight of a decoder whose layers have these norms."""
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCAB, HIDDEN)}
    for i in range(LAYERS):
        at = f"model.layers.{i}"
        shapes |= {
            f"{at}.self_attn.q_proj.weight": (HEADS * HEAD_DIM, HIDDEN),
            f"{at}.self_attn.k_proj.weight": (KV_HEADS * HEAD_DIM, HIDDEN),
            f"{at}.self_attn.v_proj.weight": (KV_HEADS * HEAD_DIM, HIDDEN),
            f"{at}.self_attn.o_proj.weight": (HIDDEN, HEADS * HEAD_DIM),
            f"{at}.mlp.gate_proj.weight": (INTERMEDIATE, HIDDEN),
            f"{at}.mlp.up_proj.weight": (INTERMEDIATE, HIDDEN),
            f"{at}.mlp.down_proj.weight": (HIDDEN, INTERMEDIATE),
        }
        shapes |= {f"{at}.{norm}.weight": (HIDDEN,) for norm in norms}
    shapes["model.norm.weight"] = (HIDDEN,)
    return shapes


def _head_shapes(layers: range) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of the score head of each of these layers."""
    return {f"lm_head.{i}.linear_head.weight": (1, HIDDEN) for i in range(len(layers))}


def _weights(
    shapes: Mapping[str, tuple[int, ...]], seed: int, *, norm_at: float
) -> dict[str, NDArray[np.float32]]:
    """Draw random weights of these shapes. Those of norms (one dimension) are near ``norm_at``."""
    draw = np.random.default_rng(seed)
    weights = {}
    for name, shape in shapes.items():
        centre, spread = (norm_at, 0.05) if len(shape) == 1 else (0.0, 0.2)
        weights[name] = draw.normal(centre, spread, shape).astype(np.float32)
    return weights


def _tokenizer() -> Tokenizer:
    """Train a byte-level BPE tokenizer of at most :data:`VOCAB` ids on :data:`SENTENCES`."""
    tokenizer = Tokenizer(models.BPE(unk_token=UNK))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB - 1,  # "Yes" is added below
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.add_tokens([AddedToken("Yes", normalized=False)])
    return tokenizer


def _write(
    folder: Path, config: Mapping[str, Any], weights: Mapping[str, NDArray[np.float32]]
) -> Path:
    """Write the configuration, the weights and the tokenizer into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    common = {
        "attention_bias": False,
        "attention_dropout": 0.0,
        "pad_token_id": SPECIAL_TOKENS.index(PAD),
        "eos_token_id": SPECIAL_TOKENS.index(EOS),
        "bos_token_id": SPECIAL_TOKENS.index(BOS),
        "hidden_size": HIDDEN,
        "initializer_range": 0.02,
        "intermediate_size": INTERMEDIATE,
        "max_position_embeddings": 2048,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "num_key_value_heads": KV_HEADS,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "torch_dtype": "float32",
        "vocab_size": VOCAB,
    }
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "eos_token": EOS,
        "bos_token": BOS,
        "unk_token": UNK,
        "padding_side": "left",
        "model_max_length": 2048,
        "clean_up_tokenization_spaces": False,
    }
    _write_json(folder / "config.json", common | dict(config))
    _write_json(folder / "tokenizer_config.json", tokenizer_config)
    _tokenizer().save(str(folder / "tokenizer.json"))
    save_file(dict(weights), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
