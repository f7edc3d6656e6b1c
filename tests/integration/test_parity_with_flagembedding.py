"""The `torch` backend against `FlagReranker.compute_score` as its users call it, in float32."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version
from transformers import AutoTokenizer

import bge_rerank_mini
from bge_rerank import load_scorer
from bge_rerank.data.demo import demo_collection
from tiny_encoders import SENTENCES, make_tiny_reranker

BOUND = 1e-4


def flag_reranker(folder: Path, max_length: int) -> Any:
    from FlagEmbedding import FlagReranker

    reranker = FlagReranker(str(folder), use_fp16=False, devices=["cpu"], max_length=max_length)
    reranker.model.float()
    return reranker


def assert_equal_logits(folder: Path, pairs: list[tuple[str, str]], max_length: int) -> None:
    expected = flag_reranker(folder, max_length).compute_score(pairs)
    assert max(expected) - min(expected) > 1, "the scores are too close for the bound to mean much"
    scored = load_scorer(str(folder), "torch", dtype="float32", max_length=max_length).score(pairs)
    assert scored == pytest.approx(expected, abs=BOUND, rel=0)


MULTILINGUAL = [(query, text) for query in SENTENCES.values() for text in SENTENCES.values()]
LONG = [(query, " ".join([text] * 12)) for query, text in MULTILINGUAL]
LONG_QUERIES = [(" ".join([query] * 12), text) for query, text in MULTILINGUAL[::5]]


reads_tiny_models = pytest.mark.skipif(
    Version(version("transformers")) < Version("5"),
    reason="before transformers 5, FlagEmbedding adds no special tokens with a tokenizer of no named class",
)


@reads_tiny_models
@pytest.mark.parametrize(
    "pairs", [MULTILINGUAL, LONG, LONG_QUERIES], ids=["short", "long", "query"]
)
def test_xlm_roberta_in_eleven_languages(tiny_reranker: Path, pairs: list[tuple[str, str]]) -> None:
    assert_equal_logits(tiny_reranker, pairs, max_length=128)


@reads_tiny_models
def test_xlm_roberta_beyond_its_usual_512_positions(tmp_path: Path) -> None:
    folder = make_tiny_reranker(tmp_path / "long", positions=1_024)
    pairs = [(query, " ".join([text] * 80)) for query, text in MULTILINGUAL[::11]]
    assert_equal_logits(folder, pairs, max_length=1_024)


def test_mini_on_english_text_of_every_length() -> None:
    collection = demo_collection()
    texts = [passage.text for passage in collection.passages]
    pairs = [
        (question, " ".join(texts[number : number + 1 + number % 9]))
        for number, question in enumerate(list(collection.questions.values())[::6])
    ]
    assert_equal_logits(bge_rerank_mini.path(), pairs, max_length=512)


def test_mini_on_languages_outside_its_vocabulary() -> None:
    assert_equal_logits(bge_rerank_mini.path(), LONG[::8] + MULTILINGUAL[::8], max_length=64)


def ours(folder: Path, query: str, passage: str) -> list[int]:
    """Return the text's ids in the tokenizer's encoding of the pair."""
    ids: list[int] = AutoTokenizer.from_pretrained(folder)(query, text_pair=passage)["input_ids"]
    return ids


def theirs(folder: Path, query: str, passage: str) -> list[int]:
    """Return the ids that FlagEmbedding passes to its model, after decoding and encoding the text again."""
    from FlagEmbedding.utils.tokenizer_compat import prepare_for_model_compat

    tokenizer = AutoTokenizer.from_pretrained(folder)
    query_ids, passage_ids = (
        tokenizer(text, add_special_tokens=False)["input_ids"] for text in (query, passage)
    )
    item = prepare_for_model_compat(
        tokenizer, query_ids, passage_ids, truncation="only_second", max_length=128
    )
    return list(item["input_ids"])


def test_tokens_that_flagembedding_changes_stay_unchanged(tiny_reranker: Path) -> None:
    """After an unknown character, decoding and encoding again turns the rest into a new word."""
    query, passage = "a--b", "The Moon raises the water."
    assert ours(tiny_reranker, query, passage) != theirs(tiny_reranker, query, passage)
    encoder = load_scorer(str(tiny_reranker), "torch").loaded()._encoder  # type: ignore[attr-defined]
    [encoded] = encoder.encode([(query, passage)])
    assert encoded.ids.tolist() == ours(tiny_reranker, query, passage)
