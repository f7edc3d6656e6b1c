"""Every answer is checked for exactly one score for each text."""

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bge_rerank.backends.http.answers import (
    MESSAGE_LENGTH,
    OtherServerError,
    UnusableAnswerError,
    logit_of,
    message_of,
    parsed,
    read_scores,
    seconds_to_wait,
)
from bge_rerank.backends.http.dialects import DIALECTS
from bge_rerank.backends.http.masking import masker

TEI = DIALECTS["tei"]


def tei(*results: tuple[Any, Any]) -> bytes:
    return json.dumps([{"index": index, "score": score} for index, score in results]).encode()


@given(st.permutations(range(6)))
def test_scores_come_back_in_the_order_of_the_texts(order: list[int]) -> None:
    assert read_scores(tei(*((i, i / 2) for i in order)), 6, TEI) == [0, 0.5, 1, 1.5, 2, 2.5]


RESULTS = [{"index": 1, "relevance_score": -1.0}, {"index": 0, "relevance_score": 2.0}]


@pytest.mark.parametrize("answer", [RESULTS, {"object": "list", "results": RESULTS}])
def test_llama_cpp_answers_with_an_object_or_a_bare_list(answer: Any) -> None:
    content = json.dumps(answer).encode()
    assert read_scores(content, 2, DIALECTS["llamacpp"]) == [2.0, -1.0]


@pytest.mark.parametrize(
    "named", [{}, {"id": "1", "meta": {}}, {"object": "rerank"}, {"object": None}, {"object": []}]
)
def test_probabilities_of_another_server_are_not_taken_for_the_logits_of_llama_cpp(
    named: dict[str, Any],
) -> None:
    content = json.dumps({"model": "m", "results": RESULTS, **named}).encode()
    with pytest.raises(OtherServerError, match="another kind of server"):
        read_scores(content, 2, DIALECTS["llamacpp"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tei((0, 1.0)), "has 1 scores for 2 texts"),
        (tei((0, 1.0), (1, 1.0), (2, 1.0)), "has 3 scores for 2 texts"),
        (tei((0, 1.0), (0, 2.0)), "index 0 occurs twice"),
        (tei((0, 1.0), (2, 2.0)), "index 2 occurs twice or lies outside 0..1"),
        (tei((0, 1.0), (-1, 2.0)), "index -1"),
        (tei((0, 1.0), (True, 2.0)), "lacks an index"),
        (tei((0, 1.0), ("1", 2.0)), "lacks an index"),
        (tei((0, 1.0), (1, "2.0")), "or a number as score"),
        (tei((0, 1.0), (1, None)), "or a number as score"),
        (tei((0, 1.0), (1, True)), "or a number as score"),
        (tei((0, 1.0), (1, float("nan"))), "the score of text 1 is nan"),
        (tei((0, 1.0), (1, float("inf"))), "the score of text 1 is inf"),
        (tei((0, 1.0), (1, 10**400)), "the score of text 1 is inf"),
        (tei((0, 1.0), (10**400, 1.0)), r"index 10{79} occurs"),
        (b'[{"index": 0, "score": %s}]' % (b"1" * 5_000), "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'[{"index": 0, "sco', "not JSON"),
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"<html><title>Welcome</title></html>", "not JSON: 'Welcome'"),
        (b'{"error": "model is loading"}', "no list of scores: 'model is loading'"),
        (b'["a", "b"]', "lacks an index"),
        (b"null", "no list of scores"),
    ],
)
def test_an_answer_without_one_score_for_each_text_is_refused_with_its_fault(
    content: bytes, message: str
) -> None:
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
def test_the_message_of_a_server_is_found_in_json_html_and_plain_text(
    content: bytes, message: str
) -> None:
    assert message_of(content) == message


@given(st.binary())
def test_the_message_of_any_answer_is_one_short_line(content: bytes) -> None:
    message = message_of(content * 50)
    assert len(message) <= MESSAGE_LENGTH + 3
    assert len(message.splitlines()) <= 1


@pytest.mark.parametrize("score", [-0.01, 1.01, 7.0])
def test_a_score_outside_0_to_1_is_refused_from_a_server_of_sigmoids(score: float) -> None:
    with pytest.raises(UnusableAnswerError, match="send scores in 0..1"):
        logit_of(score, "sigmoid")


NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -(10**4_299), 2**63, True])
SCORES = st.fixed_dictionaries({"index": st.integers(-1, 3) | NUMBERS, "score": NUMBERS})
JSON = st.recursive(
    st.none() | NUMBERS | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["results", "index", "score", "error"]), inner)
    ),
)
ANSWERS = (
    st.binary()
    | (JSON | st.lists(SCORES, max_size=3)).map(lambda answer: json.dumps(answer).encode())
    | st.tuples(
        st.lists(SCORES, min_size=1, max_size=3), st.integers(0, 99), st.binary(max_size=3)
    ).map(
        lambda cut: (
            (content := json.dumps(cut[0]).encode())[: cut[1]] + cut[2] + content[cut[1] + 1 :]
        )
    )
)


@given(ANSWERS, st.sampled_from(list(DIALECTS)))
@example(b'"\\ud800"', "tei")
@example(b"\xef\xbb\xbf[]", "tei")
def test_any_answer_gives_finite_scores_or_our_error(content: bytes, name: str) -> None:
    with suppress(UnusableAnswerError):
        scores = read_scores(content, 2, DIALECTS[name])
        assert len(scores) == 2
        assert all(math.isfinite(logit_of(score, DIALECTS[name].scale)) for score in scores)


@given(ANSWERS, st.sampled_from(["tei", "vllm"]))
@example(b'{"version": "1.%s"}' % (b"1" * 5_000), "vllm")
def test_any_description_of_a_server_is_read_unless_it_is_not_json(
    content: bytes, name: str
) -> None:
    try:
        answer = parsed(content)
    except ValueError:
        return
    if isinstance(answer, dict):
        info = DIALECTS[name].read_info(answer)
        assert info.max_texts is None or info.max_texts > 0
        assert info.max_length is None or info.max_length > 0


PAGE = st.lists(
    st.sampled_from(
        ["<script", "</script>", "<", ">", "<!--", "&#", "9" * 5_000, "&lt;", '"', "\n", "{", "["]
    )
    | st.text()
)


@given(PAGE.map("".join))
@example("&#" + "9" * 5_000)
def test_a_message_of_any_page_is_one_short_line(page: str) -> None:
    message = message_of(page.encode(errors="replace"))
    assert len(message) <= MESSAGE_LENGTH + 3
    assert len(message.splitlines()) <= 1


@pytest.mark.parametrize(
    "part",
    ["<script", "<", "<a ", "<!--", "</script", "<style>", "&", "&#", " ", "<script>a</scrip"],
)
def test_a_long_page_is_read_in_time_in_proportion_to_its_length(part: str) -> None:
    assert (
        len(message_of(part.encode() * 500_000)) <= MESSAGE_LENGTH + 3
    )  # otherwise it takes hours


def test_scripts_and_styles_are_left_out_of_a_message() -> None:
    page = b"<STYLE>p{}</STYLE ><script>if (a<b) x()</script><p>Bad</p><script>y()"
    assert message_of(page) == "Bad"


@given(
    st.text()
    | st.sampled_from(["\u00b2", "9" * 99, "1 Jan 0001 00:00:00 -0000", "0", "-1", "1e999"])
    | st.from_regex(
        r"[A-Z][a-z]{2}, \d{1,20} Jan \d{1,20} \d{1,20}:\d{2}:\d{2} [+-]?(\d{1,20}|GMT)",
        fullmatch=True,
    )
)
def test_seconds_to_wait_are_a_finite_number_or_none(retry_after: str) -> None:
    seconds = seconds_to_wait(retry_after)
    assert seconds is None or 0 <= seconds < math.inf


def test_seconds_to_wait_may_be_a_date() -> None:
    assert seconds_to_wait("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert (seconds_to_wait("Wed, 21 Oct 2115 07:28:00 GMT") or 0) > 1e9


@given(
    st.text("abK<&9\\\"'= -", min_size=1, max_size=9)
    .map(str.strip)
    .filter(lambda key: set(key) - {"*"}),
    PAGE.map("".join),
    st.integers(0, 400),
)
def test_no_secret_is_left_in_a_message(secret: str, page: str, blanks: int) -> None:
    if not secret:
        return
    mask = masker([secret])
    for content in (
        f"{page}{'x' * blanks}{secret}{page}",
        json.dumps({"error": "x" * blanks + secret}),
    ):
        assert secret not in message_of(content.encode(errors="replace"), mask).replace("***", "\0")
