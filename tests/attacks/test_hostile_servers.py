"""A hostile rerank server causes a clear `ServerError` soon, and the error shows no secret."""

import copy
import gzip
import json
import logging
import pickle
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
from langchain_core.documents import Document
from llama_index.core.schema import NodeWithScore, TextNode

from bge_rerank import Reranker, ServerError, load_scorer
from bge_rerank.backends.http.session import SMALL_ANSWER_BYTES
from bge_rerank.scoring.loading import LazyScorer
from fake_server import (
    FakeServer,
    Fault,
    ask,
    logit_of,
    pours,
    running,
    says,
    send,
    status,
    trickles,
    words_in_bytes,
)
from langchain_bge_rerank import BGERerankerCompressor
from llamaindex_bge_rerank import BGERerankerPostprocessor

PAIRS = [("tides", f"passage {number}") for number in range(3)]
KEY, HEADER_KEY, SHORT = "sk-very-secret-0123", "very/also+secret==", "k7"
SOON = 20.0
"""The most seconds of an attack. Without our defences, each takes longer or never ends."""


@pytest.fixture
def tei() -> Iterator[FakeServer]:
    with running(FakeServer("tei")) as server:
        yield server


def error_of(scorer: LazyScorer, pairs: Sequence[tuple[str, str]] = PAIRS) -> ServerError:
    started = time.monotonic()
    with pytest.raises(ServerError) as caught:
        scorer.score(pairs)
    assert time.monotonic() - started < SOON
    return caught.value


# Size and time


@pytest.mark.parametrize("code", [200, 500])
def test_a_compressed_answer_is_not_unpacked(tei: FakeServer, code: int) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    tei.faults.append(lambda handler: send(handler, code, bomb, Content_Encoding="gzip"))
    error = error_of(ask(tei))
    assert error.status == code
    assert code == 500 or "compressed (gzip), though not requested" in error.reason
    assert tei.headers[0]["accept-encoding"] == "identity"


def test_no_header_of_the_user_asks_for_a_compressed_answer(tei: FakeServer) -> None:
    ask(tei, headers={"Accept-Encoding": "gzip"}).score(PAIRS)
    assert tei.headers[0]["accept-encoding"] == "identity"


@pytest.mark.parametrize("chunk", [b" " * 65_536, b" "])
def test_an_answer_without_end_is_read_only_up_to_the_limit_of_the_request(
    tei: FakeServer, chunk: bytes
) -> None:
    sent: list[int] = []
    tei.always = pours(chunk, sent)
    error = error_of(ask(tei))
    assert "longer than 69,0" in error.reason
    assert error.status == 200
    assert len(tei.asked) == 1
    assert sum(sent) < 20_000_000  # bytes in the buffers of the connection


def test_an_error_without_end_is_read_only_up_to_the_limit_of_messages() -> None:
    sent: list[int] = []

    def pour(handler: Any) -> None:
        handler.send_response = lambda _: type(handler).send_response(handler, 500)
        pours(b"overloaded ", sent)(handler)

    with running(FakeServer("tei")) as server:
        server.always = pour
        error = error_of(ask(server))
    assert error.status == 500
    assert error.reason.startswith("overloaded overloaded")
    assert sum(sent) < 20_000_000


def test_a_description_of_a_server_without_end_is_ignored() -> None:
    sent: list[int] = []
    with running(FakeServer("tei", info=pours(b" " * 65_536, sent))) as server:
        assert ask(server).score(PAIRS) == pytest.approx([logit_of(*pair) for pair in PAIRS])
    assert sum(sent) < SMALL_ANSWER_BYTES + 20_000_000


def test_an_answer_that_repeats_all_texts_in_json_escapes_is_read() -> None:
    texts = ["é" * 50_000, "\U0001f600" * 20_000, "<&>" * 9_000]

    def repeats(handler: Any) -> None:
        results = [
            {
                "index": index,
                "relevance_score": 0.5,
                "document": {"text": text, "multi_modal": None},
            }
            for index, text in enumerate(texts)
        ]
        send(handler, 200, {"id": "x" * 40, "model": "m", "results": results})

    with running(FakeServer("vllm")) as server:
        server.always = repeats
        assert ask(server).score([("q", text) for text in texts]) == [0.0] * 3


def test_an_answer_of_a_byte_now_and_then_ends_by_the_timeout(tei: FakeServer) -> None:
    tei.faults.append(trickles)
    assert ask(tei, timeout=0.5).score(PAIRS)  # the second request is answered
    tei.always = trickles
    assert (
        "no answer within timeout=0.2 seconds" in error_of(ask(tei, timeout=0.2, deadline=5)).reason
    )


def test_an_answer_of_a_byte_now_and_then_ends_by_the_deadline(tei: FakeServer) -> None:
    tei.always = trickles
    assert "within deadline=0.5 seconds" in error_of(ask(tei, deadline=0.5)).reason


@pytest.mark.parametrize(
    "part", [b"<script", b"<", b"<!--", b"<a ", b"&#", b"</script", b"<style>"]
)
def test_an_error_page_of_unclosed_tags_is_read_at_once(tei: FakeServer, part: bytes) -> None:
    tei.faults.append(status(500, part * 60_000))
    assert error_of(ask(tei)).status == 500


# Answers that make no sense

SCORES = b'[{"index": 1, "score": 1}, {"index": %s, "score": %s}]'
MALFORMED: dict[str, Fault] = {
    "a score of 400 digits": says(SCORES % (b"0", b"1" * 400)),
    "a score of 5,000 digits": says(SCORES % (b"0", b"1" * 5_000)),
    "an index of 4,000 digits": says(SCORES % (b"1" * 4_000, b"1")),
    "an answer that is nested deeply": says(b"[" * 30_000),
    "a result that is nested deeply": says(b'[{"index": 0, "score": ' + b'{"a":' * 10_000),
    "an error that is nested deeply": status(500, b'{"error":' * 100_000),
    "an error with a number of 5,000 digits": status(500, b'{"error": %s}' % (b"1" * 5_000)),
    "a character reference of 5,000 digits": status(500, b"<p>&#" + b"9" * 5_000 + b";"),
    "half a pair of surrogates": says(b'{"error": "\\ud800"}'),
    "seconds that are not a number": status(503, Retry_After="\u00b2"),
    "more seconds than fit": status(503, Retry_After="9" * 400),
    "a date that does not fit": status(
        503, Retry_After="Mon, 99999999999999999999 Jan 2020 00:00 GMT"
    ),
    "a zone that does not fit": status(503, Retry_After="1 Jan 2020 00:00:00 +9999999999"),
    "a redirect to a broken address": status(302, Location="http://[::1"),
    "a redirect to a port that does not fit": status(302, Location="http://host:" + "9" * 5_000),
    "an answer that is not HTTP": lambda handler: handler.wfile.write(b"\0" * 200 + b"\r\n\r\n"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_adapters_keep_the_first_stage_order_for_any_malformed_answer(name: str) -> None:
    with running(FakeServer("tei")) as server:
        server.always = MALFORMED[name]
        options: dict[str, Any] = {
            "scorer": ask(server, deadline=0.3),
            "on_error": "passthrough",
        }
        documents = [Document("one"), Document("two")]
        nodes = [NodeWithScore(node=TextNode(text=text)) for text in ("one", "two")]
        kept = BGERerankerCompressor(**options).compress_documents(documents, "q")
        ranked = BGERerankerPostprocessor(**options).postprocess_nodes(nodes, query_str="q")
        assert [document.page_content for document in kept] == ["one", "two"]
        assert [node.text for node in ranked] == ["one", "two"]
        for metadata in (kept[0].metadata, ranked[0].metadata):
            assert server.url in metadata["rerank_error"]
            assert len(metadata["rerank_error"]) < 500


# Tokens for windows

LONG = "Die Flut läuft öfter über. " * 100


def tokens(*spans: tuple[Any, Any], texts: int = 2) -> bytes:
    """Return an answer with the same tokens for each text."""
    written = [{"id": 1, "special": False, "start": start, "stop": stop} for start, stop in spans]
    return json.dumps([written] * texts).encode()


HOSTILE_TOKENS: dict[str, Fault] = {
    "tokens outside their text": says(tokens((0, 1), (0, 10**9))),
    "tokens before their text": says(tokens((-5, -1))),
    "tokens that go back": says(tokens((0, 1), (3, 4), (0, 1))),
    "tokens that end before they start": says(tokens((2, 1))),
    "numbers that do not fit": says(tokens((0, 10**400))),
    "numbers of 5,000 digits": says(b'[[{"start": %s}], []]' % (b"1" * 5_000)),
    "words for numbers": says(tokens(("0", "1"))),
    "a list too many": says(tokens((0, 1), texts=3)),
    "a list too few": says(tokens((0, 1), texts=1)),
    "no lists": says(b"[0, 0]"),
    "lists that are nested deeply": says(b"[[" + b"[" * 100_000),
    "objects that are nested deeply": says(b'[[{"start": ' + b'{"a":' * 100_000),
    "a page": says(b"<html>Log in</html>", "text/html"),
    "an answer without end": pours(b" " * 1_000_000, []),
    "a failure": status(500),
    "a wrong key": status(401),
}


@pytest.mark.parametrize("name", HOSTILE_TOKENS)
def test_hostile_tokens_are_an_error_that_adapters_pass_through(name: str) -> None:
    with running(FakeServer("tei")) as server:
        server.always = HOSTILE_TOKENS[name]
        started = time.monotonic()
        with pytest.raises(ServerError, match=f"^{server.url}/tokenize") as caught:
            Reranker(ask(server), long_documents="window").rerank("q", [LONG])
        assert len(str(caught.value)) < 500
        kept = BGERerankerCompressor(
            scorer=ask(server), long_documents="window", on_error="passthrough"
        ).compress_documents([Document(LONG)], "q")
        assert server.url in kept[0].metadata["rerank_error"]
        assert time.monotonic() - started < SOON
    assert not [asked for asked in server.asked if asked["path"] == "/rerank"]


def test_offsets_inside_a_character_are_an_error() -> None:
    inside = LONG.index("ä") + 1
    [hostile, _] = json.loads(tokens((0, inside)))
    with (
        running(FakeServer("tei", tokens=lambda _: hostile)) as server,
        pytest.raises(ServerError, match="a token of text 1 is not a span of its"),
    ):
        ask(server).windows("what causes tides", [LONG], 64)


def test_an_answer_with_tokens_is_read_only_up_to_the_limit_of_the_request() -> None:
    sent: list[int] = []
    with running(FakeServer("tei")) as server:
        server.always = pours(b" " * 65_536, sent)
        with pytest.raises(ServerError, match="the answer is longer than"):
            ask(server).windows("q", [LONG], 64)
    # Some chunks may be on their way when the client closes the connection.
    assert sum(sent) < 130 * len(LONG.encode()) + 20_000_000


def test_equal_windows_of_hostile_tokens_are_scored_once() -> None:
    many = json.loads(tokens(*[(0, 0)] * 1_000, (0, 1)))[0]
    with running(FakeServer("tei", tokens=lambda _: many)) as server:
        ranking = Reranker(ask(server), long_documents="window", window_tokens=64).rerank(
            "q", [LONG]
        )
        assert len(ranking) == 1
        scored = [asked["texts"] for asked in server.asked if asked["path"] == "/rerank"]
    assert scored == [["", LONG]]


@pytest.mark.parametrize("length", [1, 63, 64])
def test_a_length_that_the_query_fills_is_passed_through(length: int) -> None:
    info = {"max_input_length": length}
    with running(FakeServer("tei", info=info, tokens=words_in_bytes)) as server:
        reranker = BGERerankerCompressor(
            scorer=ask(server), long_documents="window", on_error="passthrough"
        )
        query = "what causes the tides of the sea " * 20
        [kept] = reranker.compress_documents([Document(LONG)], query)
    assert ("rerank_error" in kept.metadata) == (length < 64)


@pytest.mark.parametrize("length", [0, -1, True, 1.5, "128", None, [128]])
def test_a_length_that_is_not_a_number_of_tokens_counts_as_unknown(length: Any) -> None:
    with running(FakeServer("tei", info={"max_input_length": length})) as server:
        [spans] = ask(server).windows("q", ["word " * 500], 3_000)
        assert len(spans) == len(
            ask(FakeServer("vllm", url=server.url)).windows("q", ["word " * 500], 3_000)[0]
        )


@pytest.mark.parametrize("length", [1, 8, 9, 16, 24, 32, 63])
def test_a_length_too_short_for_windows_is_an_error_with_a_remedy(length: int) -> None:
    with running(FakeServer("tei", info={"max_input_length": length})) as server:
        reranker = Reranker(ask(server), long_documents="window")
        with pytest.raises(ServerError, match=f"longest pair of {length} tokens.*pass max_length"):
            reranker.rerank("what causes the tides of the sea " * 20, ["word " * 500])


def test_an_enormous_length_makes_windows_no_longer_than_asked_for() -> None:
    with running(FakeServer("tei", info={"max_input_length": 10**400})) as server:
        [spans] = ask(server).windows("q", ["word " * 500], 128)
        assert len(spans) > 5


# How often it is asked


def test_a_server_that_fails_is_not_asked_for_each_part() -> None:
    pairs = [("tides", f"passage {number}") for number in range(1_000)]
    with running(FakeServer("tei", info={"max_client_batch_size": 1})) as server:
        server.always = status(503)
        assert error_of(ask(server), pairs).status == 503
        assert len(server.asked) <= 6 * 8  # rounds, times requests at the same time


def test_a_retry_after_of_zero_does_not_shorten_the_waits(tei: FakeServer) -> None:
    asked_at: list[float] = []

    def refuses(handler: Any) -> None:
        asked_at.append(time.monotonic())
        status(503, Retry_After="0")(handler)

    tei.always = refuses
    error_of(ask(tei))
    assert len(asked_at) == 6
    pauses = [after - before for before, after in pairwise(asked_at)]
    assert all(pause > 0.09 * 2**number for number, pause in enumerate(pauses))


def test_a_server_that_refuses_every_size_is_given_up_soon(tei: FakeServer) -> None:
    tei.always = status(413)
    pairs = [("tides", f"{number} " + "waves " * 5_000) for number in range(300)]
    assert error_of(ask(tei), pairs).status == 413
    # At most 32 refusals for each of 8 requests at the same time, and the requests then under way.
    assert len(tei.asked) < 400


def test_a_long_call_succeeds_on_a_server_that_sheds_load() -> None:
    pairs = [("tides", f"passage {number}") for number in range(40)]
    with running(FakeServer("tei", info={"max_client_batch_size": 1})) as server:
        server.faults.extend([status(429), None] * 20)  # type: ignore[list-item]
        assert ask(server).score(pairs) == pytest.approx([logit_of(*pair) for pair in pairs])


# Secrets


def told_by(error: BaseException | None) -> str:
    """Return everything that an error shows: its traceback, its causes and its attributes."""
    shown = "".join(traceback.format_exception(error)) if error else ""
    while error is not None:
        shown += f"{error!r}{vars(error)}{error.args}{pickle.dumps(error) if isinstance(error, ServerError) else ''}"
        error = error.__cause__ or error.__context__
    return shown


def echoes(code: int, template: str) -> Fault:
    def echo(handler: Any) -> None:
        given = [
            handler.headers["authorization"],
            handler.headers["x-api-key"],
            handler.headers["x-k"],
        ]
        body = template.replace("GIVEN", " ".join([*given, given[0].removeprefix("Bearer ")]))
        send(handler, code, body.encode())

    return echo


ECHOES: Sequence[Fault] = [
    echoes(401, '{"error": "not GIVEN"}'),
    echoes(401, "not GIVEN"),
    echoes(401, "<html>" + "<p>" * 200 + "GIVEN"),
    *(echoes(500, "x" * (270 + shift) + "GIVEN") for shift in range(0, 30, 3)),
    *(echoes(500, "x" * (65_480 + shift) + "GIVEN") for shift in range(0, 60, 7)),
    *(
        echoes(500, "<script>" + "x" * (9_900 + shift) + "</script>GIVEN")
        for shift in range(0, 90, 9)
    ),
    echoes(200, '{"info": "GIVEN"}'),
    echoes(200, "GIVEN"),
    echoes(200, '[{"index": "GIVEN", "score": 1}]'),
    *(echoes(200, '[{"' + "x" * shift + '": "GIVEN"}]') for shift in range(40, 80, 4)),
    echoes(
        200, '{"info": "GIVEN"}'.replace("GIVEN", "sk\\u002dvery-secret-0123 very\\/also+secret==")
    ),
    lambda handler: handler.wfile.write(handler.headers["x-api-key"].encode() + b"\r\n\r\n"),
]


@pytest.mark.parametrize("at", ["/info", "/rerank"])
@pytest.mark.parametrize("echo", ECHOES)
def test_a_secret_that_a_server_repeats_appears_in_no_error_or_log(
    echo: Fault, at: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "bge_rerank")
    with running(FakeServer("tei", info=echo if at == "/info" else None)) as server:
        server.always = None if at == "/info" else echo
        scorer = ask(
            server, api_key=KEY, headers={"X-Api-Key": HEADER_KEY, "X-K": SHORT}, deadline=0.4
        )
        told = ""
        try:
            scorer.score([("tides", "passage 0")])
        except ServerError as error:
            told = told_by(error)
        told += caplog.text
    parts = (KEY[-8:], KEY[:12], HEADER_KEY[-8:], HEADER_KEY[:11], SHORT)
    assert not [part for part in parts if part in told.replace(server.url, "")]


@pytest.mark.parametrize(
    "build",
    [
        lambda **options: load_scorer("m", **options),
        lambda **options: load_scorer("m", **options).config,
        lambda **options: load_scorer("m", **options).loaded(),
        lambda **options: Reranker(load_scorer("m", **options)),
        lambda headers, **options: Reranker("m", **options).options,
        lambda headers, **options: BGERerankerCompressor(model_name="m", **options),
        lambda headers, **options: BGERerankerPostprocessor(model_name="m", **options),
        lambda **options: BGERerankerCompressor(scorer=load_scorer("m", **options)),
    ],
)
def test_no_repr_or_attribute_shows_a_secret(build: Callable[..., Any]) -> None:
    built = build(
        backend="tei", base_url="http://h", api_key=KEY, headers={"X-Api-Key": HEADER_KEY}
    )
    told = f"{built!r} {built} {vars(built)} {vars(copy.copy(built))}"
    assert KEY not in told
    assert HEADER_KEY not in told
