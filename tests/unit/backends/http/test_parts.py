"""A request is split into parts that a server accepts, and no text is lost."""

import json

from hypothesis import given
from hypothesis import strategies as st

from bge_rerank.backends.http.parts import JSON_OVERHEAD, LARGEST_CHARACTER, json_bytes, split

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=30)


@given(TEXTS, st.none() | st.integers(1, 9), st.none() | st.integers(1, 60))
def test_parts_contain_every_text_once_and_in_order(
    texts: list[str], max_texts: int | None, max_bytes: int | None
) -> None:
    parts = split(texts, max_texts, max_bytes)
    assert [index for part in parts for index in part] == list(range(len(texts)))
    assert all(len(part) > 0 for part in parts)


@given(TEXTS, st.none() | st.integers(1, 9), st.integers(1, 60))
def test_parts_keep_to_the_limits_unless_a_single_text_is_too_long(
    texts: list[str], max_texts: int | None, max_bytes: int
) -> None:
    for part in split(texts, max_texts, max_bytes):
        assert max_texts is None or len(part) <= max_texts
        assert len(part) == 1 or sum(json_bytes(texts[index]) for index in part) <= max_bytes


@given(TEXTS)
def test_the_bytes_of_texts_are_at_least_those_of_their_json(texts: list[str]) -> None:
    sent = json.dumps(texts, ensure_ascii=False, separators=(",", ":")).encode()
    assert len(sent) <= 2 + sum(map(json_bytes, texts))


@given(st.text())
def test_no_character_takes_more_bytes_than_the_largest(text: str) -> None:
    sendable = text.encode(errors="ignore").decode()
    assert json_bytes(sendable) <= LARGEST_CHARACTER * len(sendable) + JSON_OVERHEAD
    assert json_bytes("\0") == LARGEST_CHARACTER + JSON_OVERHEAD


def test_without_limits_there_is_one_part() -> None:
    assert split(["a"] * 5_000, None, None) == [range(5_000)]
