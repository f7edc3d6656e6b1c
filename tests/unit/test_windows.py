"""Long texts are cut into windows that fit and lose nothing."""

import re

from hypothesis import given
from hypothesis import strategies as st

from bge_rerank.types import Span
from bge_rerank.windows import estimated_offsets, shared_tokens, window_spans

WORDS = st.lists(st.text("aé潮 \n", min_size=1, max_size=12), max_size=120).map(" ".join)


def tokens_of(text: str) -> list[Span]:
    """Tokens of two letters at most, within words."""
    return [found.span() for found in re.finditer(r"\w{1,2}|\S", text)]


def inside(tokens: list[Span], window: Span) -> list[Span]:
    return [(start, end) for start, end in tokens if window[0] <= start and end <= window[1]]


@given(WORDS, st.integers(1, 40))
def test_windows_hold_at_most_so_many_tokens_and_no_token_is_lost(text: str, size: int) -> None:
    tokens = tokens_of(text)
    spans = window_spans(text, tokens, size)
    held = [inside(tokens, span) for span in spans]
    assert all(len(its) <= size for its in held)
    assert {token for its in held for token in its} == set(tokens)
    assert (spans[0][0], spans[-1][1]) == (0, len(text))


@given(WORDS, st.integers(1, 40))
def test_what_is_no_longer_than_what_windows_share_stands_whole_in_one_of_them(
    text: str, size: int
) -> None:
    tokens = tokens_of(text)
    held = [inside(tokens, span) for span in window_spans(text, tokens, size)]
    for first in range(len(tokens)):
        run = tokens[first : first + max(1, shared_tokens(size))]
        assert any(set(run) <= set(its) for its in held)


@given(WORDS, st.integers(16, 40))
def test_windows_end_and_start_between_words_where_words_are_short(text: str, size: int) -> None:
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
