"""The spans in an answer of `/tokenize` are read, and an answer that makes no windows is refused."""

import json
from typing import Any

import pytest

from bge_rerank.backends.http.answers import UnusableAnswerError
from bge_rerank.backends.http.tokens import read_spans

TEXT = "né 潮"
"""Its characters start at the bytes 0, 1, 3 and 4, and it ends at byte 7."""


def token(start: Any, stop: Any, **fields: Any) -> dict[str, Any]:
    return {"id": 1, "text": "?", "special": False, "start": start, "stop": stop, **fields}


def read(*tokens: Any) -> list[tuple[int, int]]:
    [spans] = read_spans(json.dumps([tokens]).encode(), [TEXT])
    return spans


def test_bytes_become_characters() -> None:
    assert read(token(0, 3), token(4, 7)) == [(0, 2), (3, 4)]


def test_special_tokens_are_left_out() -> None:
    special = token(None, None, special=True)
    assert read(special, token(0, 1), special) == [(0, 1)]


def test_tokens_may_share_a_character_and_may_be_empty() -> None:
    shared = [token(0, 0), token(0, 1), token(0, 3), token(4, 7), token(4, 7)]
    assert read(*shared) == [(0, 0), (0, 1), (0, 2), (3, 4), (3, 4)]


@pytest.mark.parametrize(
    "tokens",
    [
        [token(0, 8)],
        [token(8, 9)],
        [token(-1, 1)],
        [token(0, -1)],
        [token(3, 1)],
        [token(0, 2)],
        [token(2, 3)],
        [token(5, 7)],
        [token(4, 7), token(0, 7)],
        [token(0, 4), token(1, 3)],
        [token(0, 10**30)],
        [token(0, None)],
        [token(None, None)],
        [token("0", "1")],
        [token(0.0, 1.0)],
        [token(start=False, stop=True)],
        [{"id": 1}],
        [[0, 1]],
        [7],
        [None],
    ],
)
def test_a_token_that_is_not_a_span_of_its_text_is_refused(tokens: list[Any]) -> None:
    with pytest.raises(UnusableAnswerError, match="a token of text 0 is not a span of its 7 bytes"):
        read(*tokens)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"[[]]", "1 lists of tokens for 2 texts"),
        (b"[[], [], []]", "3 lists of tokens for 2 texts"),
        (b"{}", "no lists of tokens for 2 texts"),
        (b'[[], "tokens"]', "tokens of text 1 are not a list"),
        (b"[[], {}]", "tokens of text 1 are not a list"),
        (b"[[],", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"<html>log in</html>", "is not JSON: 'log in'"),
    ],
)
def test_an_answer_without_a_list_for_each_text_is_refused(answer: bytes, message: str) -> None:
    with pytest.raises(UnusableAnswerError, match=message):
        read_spans(answer, ["a", "b"])


def test_an_error_shows_no_secret_and_is_short() -> None:
    wrong = json.dumps([[token(0, 9, text="hunter2" + "x" * 10_000)]]).encode()
    with pytest.raises(UnusableAnswerError) as caught:
        read_spans(wrong, ["a"], lambda text: text.replace("hunter2", "***"))
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value)) < 300
