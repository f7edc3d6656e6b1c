"""Keys are hidden in configurations, wherever they are kept; the texts come out by name alone."""

import copy
import dataclasses
import pickle

from pydantic import SecretStr

from bge_rerank.models.config import HiddenText, ScorerConfig, headers_of, key_of

KEY = "sk-very-secret"


def config(key: str | SecretStr = KEY) -> ScorerConfig:
    return ScorerConfig("m", "tei", base_url="http://h", api_key=key, headers={"X": key})


def test_no_key_stands_in_what_shows_a_configuration() -> None:
    shown = [repr(config()), str(vars(config())), str(dataclasses.asdict(config()))]
    assert not [text for text in shown if KEY in text]


def test_keys_are_kept_by_copies_and_pickles() -> None:
    kept = config()
    others = [copy.deepcopy(kept), pickle.loads(pickle.dumps(kept)), dataclasses.replace(kept)]
    for other in others:
        assert (other, hash(other)) == (kept, hash(kept))
        assert (key_of(other), headers_of(other)) == (KEY, {"X": KEY})


def test_a_text_that_hides_itself_is_the_same_key() -> None:
    assert config(SecretStr(KEY)) == config()
    assert hash(config(SecretStr(KEY))) == hash(config())
    assert config("another") != config()


def test_a_hidden_text_differs_from_the_text_itself() -> None:
    assert HiddenText(KEY) != KEY
    assert KEY not in f"{HiddenText(KEY)} {HiddenText(KEY)!r}"


def test_what_was_passed_in_stays_as_it_was() -> None:
    headers = {"X": KEY}
    ScorerConfig("m", "tei", base_url="http://h", headers=headers)
    assert headers == {"X": KEY}
