"""Make tiny encoder models with random weights and the architecture of BGE's encoders.

The tokenizer is a Unigram model with XLM-RoBERTa's special tokens and pair template, trained on our own
sentences in eleven languages. The scores are meaningless, but they differ enough to compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
    XLMRobertaModel,
)

SPECIAL_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]

SENTENCES = {
    "English": "The pull of the Moon raises two bulges of water on opposite sides of the Earth.",
    "German": "Die Anziehung des Mondes hebt das Wasser auf beiden Seiten der Erde an.",
    "French": "L'attraction de la Lune soulève l'eau des océans de part et d'autre de la Terre.",
    "Spanish": "¿Por qué sube la marea? La Luna atrae el agua de los océanos.",
    "Turkish": "Ay'ın çekimi, okyanusların sularını Dünya'nın iki yanında yükseltir.",
    "Russian": "Притяжение Луны поднимает воду океанов по обе стороны Земли.",
    "Greek": "Η έλξη της Σελήνης σηκώνει τα νερά των ωκεανών.",
    "Arabic": "جاذبية القمر ترفع مياه المحيطات على جانبي الأرض.",
    "Hindi": "चंद्रमा का गुरुत्वाकर्षण महासागरों के जल को ऊपर उठाता है।",
    "Chinese": "月球的引力使海水在地球两侧隆起,形成潮汐。",
    "Japanese": "月の引力が海の水を持ち上げ、潮の満ち引きを起こします。",
}
"""One sentence for each language, written for these tests."""


def make_tiny_reranker(
    folder: Path, *, positions: int = 128, labels: int = 1, layers: int = 2
) -> Path:
    """Make an XLM-RoBERTa reranker for sequences of up to `positions` tokens."""
    torch.manual_seed(7)
    model = XLMRobertaForSequenceClassification(_config(positions, labels, layers))
    return save(model, folder)


def make_tiny_embedder(folder: Path) -> Path:
    """Make an XLM-RoBERTa embedder: the same encoder without a classification head."""
    torch.manual_seed(7)
    return save(XLMRobertaModel(_config(positions=128, labels=1)), folder)


def make_tiny_m3(folder: Path, texts: Sequence[str]) -> Path:
    """Make an embedder with BGE-M3's two linear layers. Its tokens are the words of `texts`.

    Each word has a weight of about 2, so texts that share more words get higher scores.
    """
    torch.manual_seed(7)
    save(XLMRobertaModel(_config(positions=128, labels=1)), folder, _of_words(texts))
    sparse = {"weight": 0.02 * torch.randn(1, 32), "bias": torch.tensor([2.0])}
    torch.save(sparse, folder / "sparse_linear.pt")
    torch.save(torch.nn.Linear(32, 32).state_dict(), folder / "colbert_linear.pt")
    return folder


def _config(positions: int, labels: int, layers: int = 2) -> XLMRobertaConfig:
    return XLMRobertaConfig(
        vocab_size=len(tokenizer().get_vocab()),
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=positions + 2,
        type_vocab_size=1,
        pad_token_id=1,
        num_labels=labels,
        initializer_range=0.5,
    )


def save(
    model: torch.nn.Module, folder: Path, its_tokenizer: Tokenizer | None = None, **options: int
) -> Path:
    """Save a model with a tokenizer, by default that of `SENTENCES`, and options of the tokenizer."""
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=its_tokenizer or tokenizer(),
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_input_names=["input_ids", "attention_mask"],
        **options,
    ).save_pretrained(folder)
    return folder


def tokenizer() -> Tokenizer:
    """Train the tokenizer. The result is the same each time."""
    unigram = Tokenizer(models.Unigram())
    unigram.normalizer = normalizers.NFKC()
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    unigram.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=600, special_tokens=SPECIAL_TOKENS, unk_token="<unk>", show_progress=False
    )
    unigram.train_from_iterator(SENTENCES.values(), trainer)
    unigram.post_processor = _template()
    return unigram


def _of_words(texts: Sequence[str]) -> Tokenizer:
    words = Tokenizer(models.WordLevel(unk_token="<unk>"))
    words.normalizer = normalizers.Lowercase()
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordLevelTrainer(special_tokens=SPECIAL_TOKENS, show_progress=False)
    words.train_from_iterator(texts, trainer)
    words.post_processor = _template()
    return words


def _template() -> processors.PostProcessor:
    return processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
