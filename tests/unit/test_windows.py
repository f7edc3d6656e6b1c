"""Long texts are cut into windows that fit and contain every token."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bge_rerank import InvalidInputError
from bge_rerank.types import Span
from bge_rerank.windows import (
    SHORTEST_ROOM,
    SPECIAL_TOKENS,
    estimated_offsets,
    fitting_windows,
    shared_tokens,
    window_spans,
)

WORDS = st.lists(st.text("aé潮 \n", min_size=1, max_size=12), max_size=120).map(" ".join)


def tokens_of(text: str) -> list[Span]:
    """Return tokens of at most two letters, within words."""
    return [found.span() for found in re.finditer(r"\w{1,2}|\S", text)]


def inside(tokens: list[Span], window: Span) -> list[Span]:
    return [(start, end) for start, end in tokens if window[0] <= start and end <= window[1]]


@given(WORDS, st.integers(1, 40))
def test_windows_have_at_most_size_tokens_and_no_token_is_lost(text: str, size: int) -> None:
    tokens = tokens_of(text)
    spans = window_spans(text, tokens, size)
    held = [inside(tokens, span) for span in spans]
    assert all(len(its) <= size for its in held)
    assert {token for its in held for token in its} == set(tokens)
    assert (spans[0][0], spans[-1][1]) == (0, len(text))


@given(WORDS, st.integers(1, 40))
def test_tokens_no_more_than_windows_share_lie_in_one_window_as_a_whole(
    text: str, size: int
) -> None:
    tokens = tokens_of(text)
    held = [inside(tokens, span) for span in window_spans(text, tokens, size)]
    for first in range(len(tokens)):
        run = tokens[first : first + max(1, shared_tokens(size))]
        assert any(set(run) <= set(its) for its in held)


@given(WORDS, st.integers(16, 40))
def test_windows_start_and_end_between_words_if_words_are_short(text: str, size: int) -> None:
    text = re.sub(r"\S{3,}", "ab", text)
    for start, end in window_spans(text, tokens_of(text), size):
        assert start == 0 or text[start - 1].isspace() or text[start].isspace()
        assert end == len(text) or text[end].isspace()


def test_a_text_that_fits_is_one_window() -> None:
    assert window_spans("two words", tokens_of("two words"), size=8) == [(0, 9)]
    assert window_spans("", [], size=8) == [(0, 0)]
    assert window_spans("  \n", [], size=8) == [(0, 3)]


@given(st.text())
def test_estimated_tokens_leave_out_nothing_but_white_space(text: str) -> None:
    [tokens] = estimated_offsets([text])
    assert "".join(text[start:end] for start, end in tokens) == "".join(text.split())


def all_tokens(texts: list[str]) -> list[list[Span]]:
    return [tokens_of(text) for text in texts]


@given(WORDS, WORDS, st.integers(0, 200))
def test_windows_beside_any_query_are_few_and_full_or_refused_with_the_limits(
    query: str, text: str, longest: int
) -> None:
    try:
        [spans] = fitting_windows(query, [text], all_tokens, longest)
    except InvalidInputError as error:
        assert f"the query has {len(tokens_of(query))} tokens" in str(error)  # noqa: PT017
        assert f"a pair at most {longest} (" in str(error)  # noqa: PT017
        return
    tokens = tokens_of(text)
    held = [inside(tokens, span) for span in spans]
    assert {token for its in held for token in its} == set(tokens)
    if len(spans) > 1:
        assert all(held)
        room = longest - SPECIAL_TOKENS - min(len(tokens_of(query)), longest * 3 // 4)
        assert room >= SHORTEST_ROOM
        # Each window starts at least a fourth of a window after the one before.
        assert len(spans) <= 1 + 4 * len(tokens) / room


@pytest.mark.parametrize("longest", [1, 8, 9, 16, 24, 32])
def test_a_long_query_and_a_short_max_length_are_refused_and_do_not_hang(longest: int) -> None:
    with pytest.raises(
        InvalidInputError, match=f"the query has 200 tokens, and a pair at most {longest} "
    ):
        fitting_windows("ab " * 200, ["cd " * 100], all_tokens, longest)


def test_a_text_that_fits_beside_a_long_query_is_one_window() -> None:
    # Of 50 tokens, the query takes three quarters and special tokens 8, which leaves 5.
    assert fitting_windows("ab " * 200, ["", "c d e f"], all_tokens, 50) == [[(0, 0)], [(0, 7)]]
    with pytest.raises(InvalidInputError):
        fitting_windows("ab " * 200, ["c " * 20], all_tokens, 50)
