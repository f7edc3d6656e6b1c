"""Configurations hide keys in their reprs and dumps, check options at once, and take paths."""

import copy
import dataclasses
import pickle
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bge_rerank import ConfigurationError, Reranker, load_scorer
from bge_rerank.models.config import HiddenText, ScorerConfig, headers_of, key_of

KEY = "sk-very-secret"


def config(key: str | SecretStr = KEY) -> ScorerConfig:
    return ScorerConfig("m", "tei", base_url="http://h", api_key=key, headers={"X": key})


def test_no_repr_or_dump_of_a_configuration_shows_a_key() -> None:
    shown = [repr(config()), str(vars(config())), str(dataclasses.asdict(config()))]
    assert not [text for text in shown if KEY in text]


def test_copies_and_pickles_keep_keys() -> None:
    kept = config()
    others = [copy.deepcopy(kept), pickle.loads(pickle.dumps(kept)), dataclasses.replace(kept)]
    for other in others:
        assert (other, hash(other)) == (kept, hash(kept))
        assert (key_of(other), headers_of(other)) == (KEY, {"X": KEY})


def test_a_secret_string_is_the_same_key_as_the_plain_string() -> None:
    assert config(SecretStr(KEY)) == config()
    assert hash(config(SecretStr(KEY))) == hash(config())
    assert config("another") != config()


def test_a_hidden_text_differs_from_the_text_itself() -> None:
    assert HiddenText(KEY) != KEY
    assert KEY not in f"{HiddenText(KEY)} {HiddenText(KEY)!r}"


def test_headers_that_were_passed_in_stay_unchanged() -> None:
    headers = {"X": KEY}
    ScorerConfig("m", "tei", base_url="http://h", headers=headers)
    assert headers == {"X": KEY}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, r"threads is 0; pass a whole number of 1 or more, or None for every core"),
        ({"max_length": 0}, r"max_length is 0; pass a whole number of 1 or more, or None"),
        ({"max_length": -5}, r"max_length is -5; pass a whole number"),
        ({"max_length": "512"}, r"max_length is '512'; pass a whole number"),
        ({"dtype": "fp16"}, r"dtype is 'fp16'; choose one of .* \(did you mean 'float16'\?\)"),
        ({"dtype": "bf16"}, r"dtype is 'bf16'; choose one of .* \(did you mean 'bfloat16'\?\)"),
        ({"backend": "onnxx"}, r"backend is 'onnxx'; .* \(did you mean 'onnx'\?\)"),
        ({"backend": "llama.cpp"}, r"backend is 'llama.cpp'; .* \(did you mean 'llamacpp'\?\)"),
        ({"special_tokens_in_text": "drop"}, r"special_tokens_in_text is 'drop'; choose one of"),
    ],
)
def test_an_option_that_cannot_work_is_refused_before_anything_is_loaded(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{message}"):
        load_scorer("mini", **options)


def test_a_path_is_taken_wherever_an_option_is_a_string() -> None:
    given = ScorerConfig(Path("models/m"), cache_dir=Path("c"), score_cache=Path("s"))  # type: ignore[arg-type]
    assert given == ScorerConfig("models/m", cache_dir="c", score_cache="s")
    assert given.model_name == "models/m"
    assert Reranker(Path("models/m")).options.model_name == "models/m"  # type: ignore[arg-type]
