"""Ask servers over HTTP: every wire format and every fault, without losing scores or showing secrets."""

import asyncio
import copy
import json
import logging
import pickle
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trustme

from bge_rerank import ConfigurationError, Reranker, ServerError, load_scorer
from bge_rerank.backends.http import session
from fake_server import (
    FakeServer,
    Fault,
    ask,
    cut_body,
    hang_up,
    logit_of,
    running,
    says,
    send,
    silent_for,
    status,
)
from served import serving

DIALECTS = ("tei", "vllm", "infinity", "llamacpp", "cohere", "jina")
PAIRS = [("tides", f"passage {number}") for number in range(7)]
LOGITS = [logit_of(*pair) for pair in PAIRS]
KEY = "sk-very-secret-0123"


@pytest.fixture
def tei() -> Iterator[FakeServer]:
    with running(FakeServer("tei")) as server:
        yield server


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_kind_of_server_gives_the_logits_of_the_pairs(dialect: str) -> None:
    with running(FakeServer(dialect)) as server:
        assert ask(server).score(PAIRS) == pytest.approx(LOGITS, abs=1e-9)
        assert asyncio.run(ask(server).ascore(PAIRS)) == pytest.approx(LOGITS, abs=1e-9)


@pytest.mark.parametrize(
    ("dialect", "sent"),
    [
        ("tei", {"path": "/rerank", "raw_scores": True, "truncate": True}),
        ("vllm", {"path": "/v1/rerank", "model": "m", "truncate_prompt_tokens": 256}),
        ("infinity", {"path": "/rerank", "model": "m", "raw_scores": True}),
        ("llamacpp", {"path": "/v1/rerank", "model": "m"}),
        ("cohere", {"path": "/v2/rerank", "model": "m", "max_tokens_per_doc": 256}),
        ("jina", {"path": "/v1/rerank", "model": "m", "return_documents": False}),
    ],
)
def test_every_kind_of_server_is_asked_in_its_wire_format(
    dialect: str, sent: dict[str, Any]
) -> None:
    with running(FakeServer(dialect)) as server:
        ask(server, max_length=256).score(PAIRS[:2])
        [asked] = server.asked
        texts = asked.get("texts", asked.get("documents"))
        assert asked.items() >= sent.items()
        assert (asked["query"], texts) == ("tides", ["passage 0", "passage 1"])


def test_vllm_is_asked_for_logits_if_its_version_can_send_them() -> None:
    for version, asked_for_logits in (("0.10.0", False), ("0.11.0", True), ("1.2.3", True)):
        with running(FakeServer("vllm", info={"version": version})) as server:
            assert ask(server).score(PAIRS) == pytest.approx(LOGITS, abs=1e-9)
            assert ("use_activation" in server.asked[0]) is asked_for_logits


def test_a_version_at_the_end_of_base_url_is_not_doubled() -> None:
    with running(FakeServer("vllm")) as server:
        load_scorer("m", "vllm", base_url=f"{server.url}/v1/").score(PAIRS)
        assert server.asked[0]["path"] == "/v1/rerank"


def test_each_query_has_its_own_request_and_scores_come_in_the_order_of_the_pairs(
    tei: FakeServer,
) -> None:
    pairs = [(query, f"text {number}") for number in range(5) for query in ("a", "b", "c")]
    assert ask(tei).score(pairs) == pytest.approx([logit_of(*pair) for pair in pairs])
    assert sorted(asked["query"] for asked in tei.asked) == ["a", "b", "c"]


def test_a_repeated_text_is_sent_once(tei: FakeServer) -> None:
    ranking = Reranker(ask(tei), top_n=None).rerank("tides", ["one", "two", "one"])
    assert len(ranking) == 3
    assert tei.asked[0]["texts"] == ["one", "two"]


def test_the_limit_that_tei_states_is_kept_and_requested_once() -> None:
    with running(FakeServer("tei", info={"max_client_batch_size": 5}, max_texts=5)) as server:
        scorer = ask(server)
        pairs = [("tides", f"passage {number}") for number in range(23)]
        for _ in range(2):
            assert scorer.score(pairs) == pytest.approx([logit_of(*pair) for pair in pairs])
        assert sorted(len(asked["texts"]) for asked in server.asked) == [3, 3, *[5] * 8]
        assert server.info_requests == 1


@pytest.mark.parametrize("info", [None, {"max_client_batch_size": 99}])
def test_a_request_refused_for_its_number_of_texts_is_halved(info: dict[str, Any] | None) -> None:
    with running(FakeServer("tei", info=info, max_texts=4)) as server:
        pairs = [("tides", f"passage {number}") for number in range(32)]
        assert ask(server).score(pairs) == pytest.approx([logit_of(*pair) for pair in pairs])
        assert all(len(asked["texts"]) in (4, 8, 16, 32) for asked in server.asked)


def test_a_request_refused_for_its_bytes_is_halved(tei: FakeServer) -> None:
    def refuses(handler: Any) -> None:
        send(handler, 413, b"length limit exceeded", "text/plain")

    tei.faults.append(refuses)
    assert ask(tei).score(PAIRS) == pytest.approx(LOGITS)
    assert len(tei.asked[0]["texts"]) == 7
    assert sorted(len(asked["texts"]) for asked in tei.asked[1:]) == [3, 4]


def test_a_request_with_more_texts_than_infinity_allows_is_halved() -> None:
    def refuses(handler: Any) -> None:
        message = "List should have at most 4 items after validation, not 7"
        error = {"detail": [{"type": "too_long", "msg": message}]}
        send(handler, 422, json.dumps(error).encode(), "application/json")

    with running(FakeServer("infinity")) as server:
        server.faults.append(refuses)
        assert ask(server).score(PAIRS) == pytest.approx(LOGITS)
        assert sorted(len(asked["documents"]) for asked in server.asked) == [3, 4, 7]


def test_bodies_stay_below_the_two_megabytes_that_tei_accepts(tei: FakeServer) -> None:
    pairs = [("tides", f"{number} " + "wörter " * 50_000) for number in range(12)]
    ask(tei).score(pairs)
    assert len(tei.asked) > 1
    assert max(int(headers["content-length"]) for headers in tei.headers) <= 2_000_000


def test_a_single_text_that_is_too_long_is_truncated_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with running(FakeServer("llamacpp", max_characters=100)) as server:
        long = "waves " * 60
        low, _ = ask(server).score([("tides", long), ("tides", "short")])
        assert low == pytest.approx(logit_of("tides", long[:90]))
        assert "a text of 360 characters is truncated to 180" in caplog.text


def test_a_server_that_refuses_every_text_is_an_error_and_not_an_endless_loop() -> None:
    with (
        running(FakeServer("llamacpp", max_characters=0)) as server,
        pytest.raises(ServerError, match="too large to process"),
    ):
        ask(server).score([("tides", "waves " * 60)])


def test_infinity_gets_no_text_longer_than_it_accepts(caplog: pytest.LogCaptureFixture) -> None:
    with running(FakeServer("infinity")) as server:
        ask(server).score([("tides", "a" * 200_000)])
        assert len(server.asked[0]["documents"][0]) == 122_880
        assert "truncated to 122880" in caplog.text


def test_parts_run_at_the_same_time_up_to_the_limit() -> None:
    info = {"max_client_batch_size": 1}
    with running(FakeServer("tei", info=info, seconds=0.05)) as server:
        pairs = [("tides", f"passage {number}") for number in range(12)]
        ask(server, max_concurrent_requests=3).score(pairs)
        assert 1 < server.most_at_once <= 3


def test_connections_are_reused(tei: FakeServer) -> None:
    scorer = ask(tei)
    for _ in range(10):
        scorer.score(PAIRS)
    assert len(tei.asked) == 10
    assert len(tei.connections) == 1


def test_concurrent_calls_do_not_wait_for_each_other(tei: FakeServer) -> None:
    came, let_go = threading.Event(), threading.Event()

    def waits(handler: Any) -> None:
        came.set()
        assert let_go.wait(10)
        send(handler, *tei.answer("/rerank", tei.asked[0]))

    tei.faults.append(waits)

    async def is_slow_still_running_after_quick() -> bool:
        scorer = ask(tei)
        slow = asyncio.create_task(scorer.ascore(PAIRS))
        assert await asyncio.to_thread(came.wait, 5)
        await scorer.ascore([("bread", "yeast")])
        still_running = not slow.done()
        let_go.set()
        assert await slow == pytest.approx(LOGITS)
        return still_running

    assert asyncio.run(is_slow_still_running_after_quick())


@pytest.mark.parametrize(
    "fault", [status(429), status(502), status(503), status(504), cut_body, hang_up]
)
def test_a_temporary_failure_is_tried_again(tei: FakeServer, fault: Fault) -> None:
    tei.faults.extend([fault, fault])
    assert ask(tei).score(PAIRS) == pytest.approx(LOGITS)
    assert len(tei.asked) == 3


@pytest.mark.parametrize("code", [400, 401, 403, 404, 424, 500])
def test_another_failure_is_not_tried_again(tei: FakeServer, code: int) -> None:
    tei.faults.append(status(code, {"error": "the server's own words"}))
    with pytest.raises(ServerError, match="the server's own words") as caught:
        ask(tei).score(PAIRS)
    assert (caught.value.status, len(tei.asked)) == (code, 1)
    assert caught.value.url == f"{tei.url}/rerank"


def test_retry_after_is_obeyed(tei: FakeServer) -> None:
    tei.faults.append(status(429, Retry_After="1"))
    started = time.monotonic()
    ask(tei).score(PAIRS)
    assert time.monotonic() - started >= 1


def test_a_retry_after_past_the_deadline_ends_the_call(tei: FakeServer) -> None:
    tei.faults.append(status(429, Retry_After="3600"))
    with pytest.raises(ServerError, match="429") as caught:
        ask(tei, deadline=5).score(PAIRS)
    assert caught.value.retry_after == 3_600
    assert len(tei.asked) == 1


def test_a_deadline_ends_the_call_with_all_its_attempts(tei: FakeServer) -> None:
    tei.always = status(503)
    started = time.monotonic()
    with pytest.raises(ServerError):
        ask(tei, deadline=0.5).score(PAIRS)
    assert time.monotonic() - started < 3


def test_a_silent_server_is_an_error_that_names_the_deadline(tei: FakeServer) -> None:
    tei.always = silent_for(2)
    with pytest.raises(ServerError, match=r"no answer within deadline=0\.3 seconds"):
        ask(tei, deadline=0.3).score(PAIRS)
    with pytest.raises(ServerError):
        ask(tei, timeout=0.1, deadline=0.9).score(PAIRS)


def test_a_server_that_is_down_is_an_error_with_its_url_and_a_remedy() -> None:
    with running(FakeServer("tei")) as server:
        pass
    message = f"^{server.url}/(info|rerank): cannot connect.*; check that the server is running"
    with pytest.raises(ServerError, match=message):
        ask(server, deadline=1).score(PAIRS)


def test_a_server_that_is_down_is_one_warning_for_a_scorer_and_repeats_are_info(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with running(FakeServer("tei")) as server:
        pass
    caplog.set_level(logging.INFO)
    scorer = ask(server, deadline=1)
    for _ in range(2):
        with pytest.raises(ServerError):
            scorer.score(PAIRS)
    [first, *repeats] = [record for record in caplog.records if "trying again" in record.message]
    assert f"{server.url}/info: cannot connect" in first.message
    assert "trying again in 0." in first.message
    assert first.levelname == "WARNING"
    assert {record.levelname for record in repeats} == {"INFO"}
    assert {record.name for record in caplog.records} == {"bge_rerank.backends.http.servers"}


DOWN = """
from bge_rerank import ServerError, load_scorer
try:
    load_scorer("m", "tei", base_url={url!r}, deadline=1).score([("q", "p")])
except ServerError:
    pass
"""


def test_without_logging_set_up_a_server_that_is_down_is_one_line_on_stderr() -> None:
    with running(FakeServer("tei")) as server:
        pass
    code = DOWN.format(url=server.url)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    [line] = done.stderr.splitlines()
    assert line.startswith(f"{server.url}/info: cannot connect")


def test_our_own_server_behind_backend_llamacpp_is_refused_with_the_right_backend() -> None:
    with serving(load_scorer("mini")) as url:
        scorer = load_scorer("mini", "llamacpp", base_url=url)
        with pytest.raises(ServerError, match="another kind of server.*pass backend='tei'"):
            scorer.score(PAIRS)
        expected = load_scorer("mini").score(PAIRS)
        assert load_scorer("mini", "tei", base_url=url).score(PAIRS) == pytest.approx(
            expected, abs=1e-4
        )


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (says(b"<html><title>Log in</title></html>", "text/html"), "Log in"),
        (says({"error": "the model is loading"}), "the model is loading"),
        (says([{"index": 0, "score": 1.0}]), "1 scores for 7 texts"),
        (says([{"index": 0, "score": 1.0}] * 7), "index 0"),
        (says([{"index": i, "score": float("nan")} for i in range(7)]), "nan"),
    ],
)
def test_an_unusable_answer_is_an_error_with_the_reason(
    tei: FakeServer, fault: Fault, message: str
) -> None:
    tei.faults.append(fault)
    with pytest.raises(ServerError, match=message) as caught:
        ask(tei).score(PAIRS)
    assert "\n" not in str(caught.value)


def test_several_servers_take_turns_and_a_failing_one_is_skipped() -> None:
    with running(FakeServer("tei")) as one, running(FakeServer("tei")) as other:
        both = load_scorer("m", "tei", base_url=[one.url, other.url])
        for _ in range(10):
            both.score(PAIRS)
        assert sorted([len(one.asked), len(other.asked)]) == [5, 5]
        one.always = status(503)
        for _ in range(10):
            assert both.score(PAIRS) == pytest.approx(LOGITS)
        assert len(one.asked) <= 6
        assert len(other.asked) == 15


def test_a_cancelled_call_ends_its_request(tei: FakeServer) -> None:
    came, ended = threading.Event(), threading.Event()

    def waits(handler: Any) -> None:
        came.set()
        if not handler.connection.recv(1):
            ended.set()
        handler.close_connection = True

    tei.faults.append(waits)

    async def cancelled() -> None:
        call = asyncio.create_task(ask(tei).ascore(PAIRS))
        assert await asyncio.to_thread(came.wait, 5)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await asyncio.to_thread(ended.wait, 5)

    asyncio.run(cancelled())


def test_threads_and_event_loops_each_get_their_own_answers(tei: FakeServer) -> None:
    scorer = ask(tei)
    queries = [f"query {number}" for number in range(40)]

    def both_ways(query: str) -> tuple[list[float], list[float]]:
        pairs = [(query, f"text {number}") for number in range(5)]
        return scorer.score(pairs), asyncio.run(scorer.ascore(pairs))

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(both_ways, queries))
    for query, (sync, awaited) in zip(queries, answers, strict=True):
        expected = [logit_of(query, f"text {number}") for number in range(5)]
        assert sync == awaited == pytest.approx(expected)


async def test_sync_scoring_works_inside_a_running_event_loop(tei: FakeServer) -> None:
    assert ask(tei).score(PAIRS) == pytest.approx(LOGITS)


def test_the_background_thread_starts_with_the_first_call(
    tei: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_loops", {})

    def background_threads() -> int:
        return sum(thread.name == "bge-rerank-http" for thread in threading.enumerate())

    before = background_threads()
    scorer = ask(tei)
    assert background_threads() == before
    for _ in range(3):
        scorer.score(PAIRS)
    assert background_threads() == before + 1


def test_the_key_is_sent_and_never_shown(tei: FakeServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    scorer = ask(tei, api_key=KEY, headers={"X-Tenant": "also-secret"})
    scorer.score(PAIRS)
    assert tei.headers[0]["authorization"] == f"Bearer {KEY}"
    assert tei.headers[0]["x-tenant"] == "also-secret"
    tei.faults.extend([status(503, {"error": f"key {KEY}"}), status(401, {"error": f"not {KEY}"})])
    with pytest.raises(ServerError, match=r"not \*\*\*") as caught:
        scorer.score(PAIRS)
    told = [repr(scorer), str(caught.value), repr(caught.value), caplog.text]
    assert not [text for text in told if KEY in text or "also-secret" in text]


def test_the_key_comes_from_the_environment_for_services_that_name_a_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CO_API_KEY", KEY)
    for dialect, sent in (("cohere", f"Bearer {KEY}"), ("tei", None)):
        with running(FakeServer(dialect)) as server:
            ask(server).score(PAIRS)
            assert server.headers[0].get("authorization") == sent


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "tei"}, "base_url is missing"),
        ({"backend": "tei", "base_url": "localhost:8080"}, "is not a server's URL"),
        ({"backend": "tei", "base_url": "http://me:hunter2@host"}, "host contains credentials"),
        ({"backend": "tei", "base_url": "http://host?key=hunter2"}, "host contains credentials"),
        ({"backend": "torch", "base_url": "http://host"}, "asks no server"),
        ({"backend": "cohere", "timeout": 0}, "timeout is 0"),
        ({"backend": "cohere", "deadline": float("nan")}, "deadline is nan"),
        ({"backend": "cohere", "max_concurrent_requests": 0}, "max_concurrent_requests is 0"),
        ({"backend": "cohere", "api_key": "two\nlines hunter2"}, "api_key is empty or has"),
        ({"backend": "cohere", "headers": {"X": "ü hunter2"}}, "header 'X'"),
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_is_sent(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        load_scorer("m", **options)
    assert "hunter2" not in str(caught.value)


def test_a_missing_file_of_certificates_is_named(tei: FakeServer) -> None:
    with pytest.raises(ConfigurationError, match="not a file of certificates"):
        ask(tei, verify="/no/such/file.pem").score(PAIRS)


def test_windows_are_as_long_as_tei_states_or_max_length() -> None:
    with running(FakeServer("tei", info={"max_input_length": 128})) as server:
        for options, tokens in (({}, 128), ({"max_length": 64}, 64)):
            [spans] = ask(server, **options).windows("q", ["word " * 500], 3_000)
            assert max(end - start for start, end in spans) == pytest.approx(2.5 * tokens, rel=0.2)


def test_windows_for_a_silent_server_fail_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ServerError, match=r"within deadline=0\.3 seconds"):
            load_scorer("m", "tei", base_url=url, deadline=0.3).windows("q", ["text"], 3_000)


def test_a_certificate_is_checked_against_the_trusted_authorities(tmp_path: Path) -> None:
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with running(FakeServer("tei"), tls) as server:
        for verify in (str(tmp_path / "authority.pem"), False):
            assert ask(server, verify=verify).score(PAIRS) == pytest.approx(LOGITS)
        with pytest.raises(ServerError, match="CERTIFICATE_VERIFY_FAILED.*pass verify=FILE"):
            ask(server).score(PAIRS)
        assert len(server.asked) == 2


def test_the_proxy_of_the_environment_is_used(
    tei: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(variable, tei.url)
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    scorer = load_scorer("m", "tei", base_url="http://rerank.invalid")
    assert scorer.score(PAIRS) == pytest.approx(LOGITS)
    assert tei.asked[0]["path"] == "http://rerank.invalid/rerank"


def test_a_scorer_of_a_server_can_be_copied_and_pickled(tei: FakeServer) -> None:
    scorer = ask(tei, api_key=KEY)
    assert pickle.loads(pickle.dumps(scorer)) == copy.deepcopy(scorer) == scorer
    assert pickle.loads(pickle.dumps(scorer)).score(PAIRS) == pytest.approx(LOGITS)


def test_scores_of_a_server_can_be_cached(tei: FakeServer) -> None:
    scorer = ask(tei, score_cache="memory", max_length=77)
    assert scorer.score(PAIRS) == scorer.score(PAIRS) == pytest.approx(LOGITS)
    assert len(tei.asked) == 1
