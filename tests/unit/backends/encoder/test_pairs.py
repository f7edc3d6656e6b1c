from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

import bge_rerank_mini
from bge_rerank import ConfigurationError, ScoringError
from bge_rerank.backends.encoder.pairs import CHARACTERS_A_BATCH, PairEncoder, PairTemplate
from bge_rerank.backends.stopping import stoppable
from bge_rerank.models.config import SpecialTokensInText
from tiny_encoders import SENTENCES, tokenizer

WORDS = " ".join(SENTENCES.values()).split()
sentences = st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join)

MINI = str(bge_rerank_mini.path() / "tokenizer.json")
TOKENIZERS = {"XLM-RoBERTa": tokenizer, "BERT": lambda: Tokenizer.from_file(MINI)}


@pytest.fixture(params=TOKENIZERS.values(), ids=TOKENIZERS, scope="module")
def tokenizer_of_a_kind(request: pytest.FixtureRequest) -> Tokenizer:
    made: Tokenizer = request.param()
    made.no_truncation()
    made.no_padding()
    return made


@given(pair=st.tuples(sentences, sentences))
@settings(deadline=None, max_examples=50)
def test_a_pair_that_fits_is_encoded_as_the_tokenizer_encodes_it(
    tokenizer_of_a_kind: Tokenizer, pair: tuple[str, str]
) -> None:
    [encoded] = PairEncoder(tokenizer_of_a_kind, max_length=10_000).encode([pair])
    expected = tokenizer_of_a_kind.encode(*pair)
    assert encoded.ids.tolist() == expected.ids
    assert encoded.type_ids.tolist() == expected.type_ids
    assert encoded.cut == 0


@given(pair=st.tuples(sentences, sentences), max_length=st.integers(20, 80))
@settings(deadline=None, max_examples=50)
def test_a_long_pair_is_truncated_by_the_rule_and_truncated_tokens_are_counted(
    tokenizer_of_a_kind: Tokenizer, pair: tuple[str, str], max_length: int
) -> None:
    [encoded] = PairEncoder(tokenizer_of_a_kind, max_length).encode([pair])
    query, passage = (
        tokenizer_of_a_kind.encode(text, add_special_tokens=False).ids for text in pair
    )
    special = PairTemplate.of(tokenizer_of_a_kind).special_tokens
    kept_query = query[: max_length * 3 // 4]
    kept_passage = passage[: max_length - special - len(kept_query)]
    assert len(encoded.ids) == special + len(kept_query) + len(kept_passage) <= max_length
    assert encoded.cut == len(query) + len(passage) - len(kept_query) - len(kept_passage)
    ids = encoded.ids.tolist()
    assert ids[1 : 1 + len(kept_query)] == kept_query
    assert ids[len(ids) - 1 - len(kept_passage) : -1] == kept_passage
    assert len(encoded.type_ids) == len(encoded.ids)


def test_a_truncation_saved_with_the_tokenizer_has_no_effect() -> None:
    saved = Tokenizer.from_file(MINI)
    saved.enable_truncation(8)
    saved.enable_padding(length=64)
    [encoded] = PairEncoder(saved, 512).encode([("tides", "the moon raises the tides " * 20)])
    assert len(encoded.ids) == 1 + 1 + 1 + 100 + 1


def test_each_query_of_a_call_is_tokenised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = PairEncoder(Tokenizer.from_file(MINI), 512)
    texts: list[str] = []
    tokenise = encoder._tokenise
    monkeypatch.setattr(encoder, "_tokenise", lambda batch: texts.extend(batch) or tokenise(batch))
    encoder.encode([("tides", "a"), ("tides", "b"), ("bread", "c"), ("tides", "d")])
    assert texts.count("tides") == texts.count("bread") == 1


def test_texts_of_several_tokeniser_batches_keep_their_order() -> None:
    encoder = PairEncoder(Tokenizer.from_file(MINI), 512)
    pairs = [(f"query {number % 7}", f"passage {number}") for number in range(1_300)]
    together = [encoded.ids.tolist() for encoded in encoder.encode(pairs)]
    assert together == [encoder.encode([pair])[0].ids.tolist() for pair in pairs]


def test_a_max_length_without_room_for_a_passage_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="max_length is 12"):
        PairEncoder(Tokenizer.from_file(MINI), 12)


def test_ten_thousand_pairs_take_five_bytes_a_token() -> None:
    encoder = PairEncoder(Tokenizer.from_file(MINI), 512)
    encoded = encoder.encode([("tides", "the moon raises the tides " * 40)] * 100)
    tokens = sum(len(pair.ids) for pair in encoded)
    assert sum(pair.ids.nbytes + pair.type_ids.nbytes for pair in encoded) == 5 * tokens


NAMES = ["<s>", "</s>", "<pad>", "<mask>", "[CLS]", "[SEP]", "[MASK]", "[PAD]", "\uff1c/s\uff1e"]
"""Names of special tokens. The last has full-width characters, which a tokenizer may read as ASCII."""


@cache
def saved(kind: str) -> str:
    return TOKENIZERS[kind]().to_str()


@cache
def encoder_of(kind: str, how: SpecialTokensInText) -> tuple[Tokenizer, PairEncoder]:
    made = Tokenizer.from_str(saved(kind))
    return made, PairEncoder(made, 10_000, how)


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(text=st.lists(st.sampled_from(NAMES + WORDS[:20]), max_size=8).map(" ".join))
@settings(max_examples=30)
def test_a_special_tokens_name_in_a_text_is_read_as_text(kind: str, text: str) -> None:
    made, encoder = encoder_of(kind, "escape")
    special = {id_ for id_, token in made.get_added_tokens_decoder().items() if token.special} - {
        made.token_to_id("<unk>"),
        made.token_to_id("[UNK]"),
    }
    [alone] = encoder.encode([("tides", "")])
    [encoded] = encoder.encode([(f"tides {text}", text)])

    def count(ids: list[int]) -> int:
        return sum(id_ in special for id_ in ids)

    assert count(encoded.ids.tolist()) == count(alone.ids.tolist())


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_special_tokens_name_acts_as_the_token_with_keep(kind: str) -> None:
    made, encoder = encoder_of(kind, "keep")
    text = "tides [SEP] </s> waves"
    [encoded] = encoder.encode([("tides", text)])
    assert encoded.ids.tolist() == made.encode("tides", text).ids
    assert (
        encoded.ids.tolist()
        != encoder_of(kind, "escape")[1].encode([("tides", text)])[0].ids.tolist()
    )


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(text=sentences)
@settings(max_examples=30)
def test_texts_without_special_tokens_names_are_read_the_same_with_both_options(
    kind: str, text: str
) -> None:
    escaped, kept = (
        encoder_of(kind, how)[1].encode([("tides", text)])[0] for how in ("escape", "keep")
    )
    assert escaped.ids.tolist() == kept.ids.tolist()


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_windows_of_a_text_with_special_tokens_names_have_spans_of_the_original(kind: str) -> None:
    text = "</s> the Moon [SEP] raises <mask> two bulges of water " * 6
    [spans] = encoder_of(kind, "escape")[1].windows("tides", [text], 60)
    assert spans[0][0] == 0
    assert spans[-1][1] >= len(text.rstrip()) - 1
    assert all(0 <= start < end <= len(text) for start, end in spans)


def test_long_texts_are_tokenised_few_at_a_time_so_that_other_calls_run_in_between() -> None:
    encoder = PairEncoder(Tokenizer.from_file(MINI), 512)
    tokenizer = encoder._tokenizer
    sizes: list[int] = []

    class Noted:
        def encode_batch_fast(self, texts: list[str], **options: bool) -> object:
            sizes.append(sum(map(len, texts)))
            return tokenizer.encode_batch_fast(texts, **options)

    encoder._tokenizer = Noted()  # type: ignore[assignment]
    pairs = [("tides", "tide " * 3_000)] * 20 + [("tides", "tide " * 50_000)]
    assert len(encoder.encode(pairs)) == 21
    assert max(sizes) == 250_000
    assert sorted(sizes)[-2] <= CHARACTERS_A_BATCH
    assert len(sizes) == 1 + 4 + 1


def test_encoding_of_a_cancelled_call_stops_between_texts() -> None:
    encoder = PairEncoder(Tokenizer.from_file(MINI), 512)
    with stoppable() as stop:
        stop.set()
        with pytest.raises(ScoringError, match="stopped"):
            encoder.encode([("tides", "a")])
