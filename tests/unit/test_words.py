"""The script that looks for sentences which are hard to read."""

from pathlib import Path

import pytest

from words import comment_prose, faults, markdown_prose, python_prose, sentences


def texts(prose: object) -> list[str]:
    return [paragraph.text for paragraph in prose]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("paragraph", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        (
            "It takes 1.5 ms, e.g. on a CPU. Or less.",
            ["It takes 1.5 ms, e.g. on a CPU.", "Or less."],
        ),
        ("See Xiao et al. 2023. It helps.", ["See Xiao et al. 2023.", "It helps."]),
        ("Call `a. b` now. Then [read. this](x.md).", ["Call CODE now.", "Then read.", "this."]),
    ],
)
def test_a_paragraph_is_divided_into_sentences(paragraph: str, expected: list[str]) -> None:
    assert list(sentences(paragraph)) == expected


def test_markdown_gives_paragraphs_items_and_cells_with_their_lines() -> None:
    text = "# Title\n\nA text\non two lines.\n\n- one\n- two\n\n| a | b |\n\n```\ncode\n```\nEnd."
    assert [(line, said.strip()) for line, said in markdown_prose(text)] == [
        (1, "Title"),
        (3, "A text on two lines."),
        (6, "one"),
        (7, "two"),
        (9, "a"),
        (9, "b"),
        (14, "End."),
    ]


def test_python_gives_docstrings_comments_and_messages_once() -> None:
    source = '''"""A module."""
# A comment
# on two lines.
def f(x):
    """Return a value.

    Args:
        x: The first. It counts.

    >>> f(1)
    1
    """
    raise ValueError(f"x is {x} but it must be a small number")
    return "too short", "a message of five words"
'''
    assert sorted(texts(python_prose(source))) == sorted(
        [
            "A module.",
            "Return a value.",
            "Args:",
            "x: The first. It counts.",
            "x is VALUE but it must be a small number",
            "a message of five words",
            "A comment on two lines.",
        ]
    )


def test_other_files_give_their_comments() -> None:
    assert texts(comment_prose("# One\n# comment.\nFROM x # no\n\n  # Another.\n")) == [
        "One comment.",
        "Another.",
    ]


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("word " * 36, "36 words"),
        ("is no list", "write 'is not a …'"),
        ("What counts.", "name the subject"),
        ("in place of", "write 'instead of'"),
    ],
)
def test_a_sentence_that_is_hard_to_read_is_found(tmp_path: Path, text: str, advice: str) -> None:
    path = tmp_path / "text.md"
    path.write_text(text)
    [fault] = faults(path)
    assert advice in fault


@pytest.mark.parametrize(
    "text", ["word " * 35, "What is new?", "There is no such file.", "It is no longer slow."]
)
def test_a_sentence_that_is_easy_to_read_is_not_found(tmp_path: Path, text: str) -> None:
    path = tmp_path / "text.md"
    path.write_text(text)
    assert list(faults(path)) == []
