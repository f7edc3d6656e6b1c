"""The part of a text to show, and texts that are safe in a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bge_rerank.display.shown_text import CHARACTERS, for_terminal, shown_text


@given(st.text(max_size=2_000), st.integers(0, 2_000), st.integers(0, 2_000))
def test_the_shown_text_is_short_and_marks_the_span(text: str, one: int, other: int) -> None:
    start, end = sorted((min(one, len(text)), min(other, len(text))))
    shown = shown_text(text, (start, end))
    assert len(shown.before + shown.marked + shown.behind) <= CHARACTERS + 130
    if (start, end) != (0, len(text)) and end - start <= CHARACTERS:
        assert shown.marked == text[start:end].replace("\r", " ").replace("\n", " ")


CONTROLS = [*map(chr, range(32)), "\x7f", *map(chr, range(0x80, 0xA0))]
REORDERING = [*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))]


@pytest.mark.parametrize(
    "character", [*CONTROLS, *REORDERING, "\u2028", "\u2029", "\udc9b"], ids=ascii
)
def test_characters_that_command_a_terminal_are_replaced(character: str) -> None:
    kept = character in "\t\n"
    assert for_terminal(f"a{character}b") == (f"a{character}b" if kept else "a\ufffdb")


@pytest.mark.parametrize(
    "text",
    [
        "café — naïve",
        "潮汐 月の引力",
        "مدّ وجزر",
        "גאות ושפל",
        "ज्वार",
        "👩‍🔬 🏳️‍🌈 🇩🇪 👍🏽",
        "e\u0301",
        "a\u00a0b\u200bc",
        "\U0001d4d0",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert for_terminal(text) == text


@given(st.text())
def test_a_text_for_a_terminal_has_no_control_characters(text: str) -> None:
    shown = for_terminal(text)
    assert not {
        unicodedata.category(character) for character in shown.replace("\n", "").replace("\t", "")
    } & {"Cc", "Cs", "Zl", "Zp"}
    assert len(shown) == len(text)
    assert for_terminal(shown) == shown
