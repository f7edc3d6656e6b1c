"""Tokens are written in TEI's format, and our own client reads the same spans from it."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

import bge_rerank_mini
from bge_rerank.backends.encoder.pairs import PairEncoder
from bge_rerank.backends.http.tokens import read_spans
from bge_rerank.server.tokens import tokens_in_json
from tiny_encoders import tokenizer

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=3)
TEI_1_9_3 = [
    {"id": 101, "text": "[CLS]", "special": True, "start": None, "stop": None},
    {"id": 1037, "text": "a", "special": False, "start": 0, "stop": 1},
    {"id": 25462, "text": "panda", "special": False, "start": 2, "stop": 7},
    {"id": 102, "text": "[SEP]", "special": True, "start": None, "stop": None},
]
"""The answer of Text Embeddings Inference 1.9.3 with `mini` to `{"inputs": "a panda"}`."""


def of_bytes() -> Tokenizer:
    """Return a tokenizer whose tokens are single bytes, so that a character can have four tokens."""
    vocabulary = {
        letter: number for number, letter in enumerate(pre_tokenizers.ByteLevel.alphabet())
    }
    made = Tokenizer(models.BPE(vocabulary, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return made


MINI = Path(bge_rerank_mini.path()) / "tokenizer.json"
ENCODERS = {
    "BERT": PairEncoder(Tokenizer.from_file(str(MINI)), 512),
    "XLM-RoBERTa": PairEncoder(tokenizer(), 512),
    "bytes": PairEncoder(of_bytes(), 512),
}


def test_an_answer_is_that_of_text_embeddings_inference() -> None:
    [written] = tokens_in_json(ENCODERS["BERT"].tokens_of, ["a panda"], special=True)
    assert json.loads(written) == TEI_1_9_3


def test_offsets_are_bytes_of_utf_8() -> None:
    text = "Über die 潮汐 👩‍🚀 [MASK] naïve"
    [written] = tokens_in_json(ENCODERS["BERT"].tokens_of, [text], special=False)
    tokens = json.loads(written)
    assert tokens[0]["stop"] == len("Über".encode())
    assert [text.encode()[each["start"] : each["stop"]].decode() for each in tokens] == [
        each["text"] for each in tokens
    ]
    assert not any(each["special"] for each in tokens)


@pytest.mark.parametrize("kind", ENCODERS)
@given(texts=TEXTS)
@example(texts=["ﷺ ½ ﬁ e\u0301 👩‍🚀 潮汐 \u200d\ufeff", "</s> [MASK]", ""])
def test_the_client_reads_the_spans_that_the_tokenizer_gives(kind: str, texts: list[str]) -> None:
    encoder = ENCODERS[kind]
    written = tokens_in_json(encoder.tokens_of, texts, special=True)
    expected = [tokens.spans for tokens in encoder.tokens_of(texts, special=False)]
    assert read_spans(b"[" + b",".join(written) + b"]", texts) == expected
