"""Tiny rerankers of other makers' architectures, with random weights, as sentence-transformers saves them."""

from collections.abc import Callable
from pathlib import Path

import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.cross_encoder.modules import LogitScore
from sentence_transformers.sentence_transformer.modules import Pooling
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    ModernBertConfig,
    ModernBertForSequenceClassification,
    ModernBertModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3ForSequenceClassification,
)

from tiny_encoders import SENTENCES, save, tokenizer

TEMPLATE = (
    "{% for message in messages %}"
    "{% if message.role == 'system' %}<|im_start|>system\n{{ message.content }}<|im_end|>\n{% endif %}"
    "{% if message.role == 'query' %}<|im_start|>user\n<Query>: {{ message.content }}\n{% endif %}"
    "{% if message.role == 'document' %}<Document>: {{ message.content }}<|im_end|>\n{% endif %}"
    "{% endfor %}<|im_start|>assistant\n"
)
"""A chat template for pairs, in the form of Qwen3-Reranker's."""
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "initializer_range": 0.5,
}


def make_modernbert(folder: Path) -> Path:
    """Make a ModernBERT classifier."""
    return save(ModernBertForSequenceClassification(_modernbert()), folder, model_max_length=256)


def make_deberta(folder: Path) -> Path:
    """Make a DeBERTa classifier, as mxbai-rerank's first version."""
    size = len(tokenizer().get_vocab())
    config = DebertaV2Config(
        vocab_size=size, pad_token_id=1, num_labels=1, pooler_hidden_size=32, **SIZES
    )
    return save(DebertaV2ForSequenceClassification(config), folder, model_max_length=256)


def make_ettin(folder: Path) -> Path:
    """Make a reranker whose head is modules of its own: pooling and a dense layer."""
    body = save(ModernBertModel(_modernbert()), folder / "body", model_max_length=256)
    transformer = Transformer(str(body))
    head = Dense(32, 1, activation_function=torch.nn.Identity(), module_output_name="scores")
    model = CrossEncoder(modules=[transformer, Pooling(32, pooling_mode="cls"), head])
    model.save_pretrained(str(folder / "reranker"))
    return folder / "reranker"


def make_qwen3(folder: Path) -> Path:
    """Make a causal language model that scores by the logits of "yes" and "no" after a template."""
    words = _save_decoder(Qwen3ForCausalLM(_qwen3()), folder / "body")
    transformer = Transformer(str(folder / "body"), transformer_task="text-generation")
    yes, no = (words.convert_tokens_to_ids(word) for word in ("yes", "no"))
    model = CrossEncoder(modules=[transformer, LogitScore(yes, no)])
    model.save_pretrained(str(folder / "reranker"))
    return folder / "reranker"


def make_qwen3_classifier(folder: Path) -> Path:
    """Make the same as a sequence classifier."""
    _save_decoder(Qwen3ForSequenceClassification(_qwen3()), folder)
    return folder


MAKERS: dict[str, Callable[[Path], Path]] = {
    "ModernBERT": make_modernbert,
    "DeBERTa": make_deberta,
    "Ettin": make_ettin,
    "Qwen3": make_qwen3,
    "Qwen3 classifier": make_qwen3_classifier,
}


def _modernbert() -> ModernBertConfig:
    torch.manual_seed(7)
    size = len(tokenizer().get_vocab())
    ids = {
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "cls_token_id": 0,
        "sep_token_id": 2,
    }
    return ModernBertConfig(
        vocab_size=size,
        num_labels=1,
        max_position_embeddings=256,
        global_attn_every_n_layers=1,
        **ids,
        **SIZES,
    )


def _qwen3() -> Qwen3Config:
    torch.manual_seed(7)
    return Qwen3Config(
        vocab_size=400,
        num_labels=1,
        head_dim=8,
        num_key_value_heads=2,
        max_position_embeddings=256,
        pad_token_id=0,
        **SIZES,
    )


def _save_decoder(model: PreTrainedModel, folder: Path) -> PreTrainedTokenizerFast:
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=398, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(SENTENCES.values(), trainer)
    bpe.add_tokens(["yes", "no"])
    words = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        chat_template=TEMPLATE,
        padding_side="left",
        model_max_length=256,
        model_input_names=["input_ids", "attention_mask"],
    )
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return words
