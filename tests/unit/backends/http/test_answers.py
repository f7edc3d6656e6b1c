"""Every answer is checked: what is no score for each text is named."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bge_rerank.backends.http.answers import (
    MESSAGE_LENGTH,
    UnusableAnswerError,
    logit_of,
    message_of,
    read_scores,
)
from bge_rerank.backends.http.dialects import DIALECTS

TEI = DIALECTS["tei"]


def tei(*results: tuple[Any, Any]) -> bytes:
    return json.dumps([{"index": index, "score": score} for index, score in results]).encode()


@given(st.permutations(range(6)))
def test_scores_come_back_in_the_order_of_the_texts(order: list[int]) -> None:
    assert read_scores(tei(*((i, i / 2) for i in order)), 6, TEI) == [0, 0.5, 1, 1.5, 2, 2.5]


def test_an_older_llama_answers_as_tei_does() -> None:
    results = [{"index": 1, "relevance_score": -1.0}, {"index": 0, "relevance_score": 2.0}]
    for answer in (results, {"results": results}):
        content = json.dumps(answer).encode()
        assert read_scores(content, 2, DIALECTS["llamacpp"]) == [2.0, -1.0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tei((0, 1.0)), "gave 1 scores for 2 texts"),
        (tei((0, 1.0), (1, 1.0), (2, 1.0)), "gave 3 scores for 2 texts"),
        (tei((0, 1.0), (0, 2.0)), "index 0 of 0..1 is doubled"),
        (tei((0, 1.0), (2, 2.0)), "index 2 of 0..1 is doubled or out of range"),
        (tei((0, 1.0), (-1, 2.0)), "index -1"),
        (tei((0, 1.0), (True, 2.0)), "no index"),
        (tei((0, 1.0), ("1", 2.0)), "no index"),
        (tei((0, 1.0), (1, "2.0")), "no number as score"),
        (tei((0, 1.0), (1, None)), "no number as score"),
        (tei((0, 1.0), (1, True)), "no number as score"),
        (tei((0, 1.0), (1, float("nan"))), "the score of text 1 is nan"),
        (tei((0, 1.0), (1, float("inf"))), "the score of text 1 is inf"),
        (b'[{"index": 0, "sco', "no JSON"),
        (b"", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"<html><title>Welcome</title></html>", "no JSON: 'Welcome'"),
        (b'{"error": "model is loading"}', "no list of scores: 'model is loading'"),
        (b'["a", "b"]', "no index"),
        (b"null", "no list of scores"),
    ],
)
def test_an_answer_that_is_not_one_score_a_text_is_named(content: bytes, message: str) -> None:
    with pytest.raises(UnusableAnswerError, match=message):
        read_scores(content, 2, TEI)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"error": "overloaded", "error_type": "Overloaded"}', "overloaded"),
        (b'{"error": {"message": "no such model", "code": 404}}', "no such model"),
        (b'{"message": "invalid api token"}', "invalid api token"),
        (b'{"detail": [{"loc": ["query"], "msg": "Field required"}]}', "Field required"),
        (b'{"object": "error", "message": "too long"}', "too long"),
        (b"length limit exceeded", "length limit exceeded"),
        (b"<style>p{}</style><p>Bad &amp; worse</p>", "Bad & worse"),
        (b"", ""),
    ],
)
def test_a_servers_message_is_found_where_it_puts_it(content: bytes, message: str) -> None:
    assert message_of(content) == message


@given(st.binary())
def test_a_message_is_one_short_line_whatever_came(content: bytes) -> None:
    message = message_of(content * 50)
    assert len(message) <= MESSAGE_LENGTH + 3
    assert len(message.splitlines()) <= 1


@pytest.mark.parametrize("score", [-0.01, 1.01, 7.0])
def test_what_is_no_sigmoid_is_refused_and_not_guessed_at(score: float) -> None:
    with pytest.raises(UnusableAnswerError, match="lie in 0..1"):
        logit_of(score, "sigmoid")
