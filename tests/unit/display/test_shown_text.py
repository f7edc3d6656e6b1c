"""The part of a text that is shown."""

from hypothesis import given
from hypothesis import strategies as st

from bge_rerank.display.shown_text import CHARACTERS, shown_text


@given(st.text(max_size=2_000), st.integers(0, 2_000), st.integers(0, 2_000))
def test_what_is_shown_is_short_and_marks_the_span(text: str, one: int, other: int) -> None:
    start, end = sorted((min(one, len(text)), min(other, len(text))))
    shown = shown_text(text, (start, end))
    assert len(shown.before + shown.marked + shown.behind) <= CHARACTERS + 130
    if (start, end) != (0, len(text)) and end - start <= CHARACTERS:
        assert shown.marked == text[start:end].replace("\r", " ").replace("\n", " ")
