"""The server: wire formats, errors, limits, shared passes, fairness and disconnects."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from bge_rerank import ConfigurationError, load_scorer
from bge_rerank.logits import sigmoid
from bge_rerank.server.options import Limits
from conftest import PASSAGES, QUERY
from counted_scorer import Counted, Pairs
from served import served, serving

TEXTS = ["a", "bbb", "cc"]
"""Texts for the counting scorer, whose logits are the lengths of the texts."""


class Held(Counted):
    """A scorer whose passes wait until `let_go` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.began = threading.Event()
        self.let_go = threading.Event()

    def begin(self) -> None:
        self.began.set()
        assert self.let_go.wait(10)


class Broken:
    def score(self, pairs: Pairs, /) -> list[float]:
        return [float("nan")] * len(pairs)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(Counted(), limits={"max_texts": 50, "max_characters": 1_000}) as url:
        yield url


def post(url: str, path: str, /, **body: Any) -> httpx.Response:
    return httpx.post(f"{url}{path}", json=body, timeout=20)


def wait_until_waiting(url: str, texts: int) -> None:
    """Wait until this number of texts is in the queue."""
    for _ in range(500):
        if f"te_queue_size {texts}.0" in httpx.get(f"{url}/metrics").text:
            return
        time.sleep(0.01)
    raise AssertionError(httpx.get(f"{url}/metrics").text)


def test_tei_gets_scores_from_0_to_1_best_first(url: str) -> None:
    assert post(url, "/rerank", query="q", texts=TEXTS).json() == [
        {"index": 1, "score": sigmoid(3)},
        {"index": 2, "score": sigmoid(2)},
        {"index": 0, "score": sigmoid(1)},
    ]


def test_tei_gets_logits_and_texts_on_request(url: str) -> None:
    answer = post(url, "/rerank", query="q", texts=TEXTS, raw_scores=True, return_text=True)
    assert answer.json()[0] == {"index": 1, "score": 3.0, "text": "bbb"}


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])
def test_cohere_and_jina_get_results(url: str, path: str) -> None:
    answer = post(url, path, model="m", query="q", documents=TEXTS, top_n=2).json()
    assert [(r["index"], r["relevance_score"]) for r in answer["results"]] == [
        (1, sigmoid(3)),
        (2, sigmoid(2)),
    ]
    assert answer["model"] == "m"
    assert answer["meta"] == {"api_version": {"version": path[2]}}
    assert "document" not in answer["results"][0]


def test_cohere_gets_documents_on_request(url: str) -> None:
    documents = [{"text": "a"}, "bbb"]
    answer = post(url, "/v1/rerank", query="q", documents=documents, return_documents=True).json()
    assert [result["document"] for result in answer["results"]] == [{"text": "bbb"}, {"text": "a"}]


def test_infinity_gets_results_on_the_path_that_tei_uses(url: str) -> None:
    answer = post(
        url, "/rerank", model="m", query="q", documents=TEXTS, return_documents=True, top_n=1
    ).json()
    [result] = answer["results"]
    assert (result["index"], result["document"]) == (1, "bbb")


def test_a_request_with_documents_alone_gets_scores_and_documents(url: str) -> None:
    answer = post(url, "/rerank", query="q", documents=TEXTS, top_n=2).json()
    assert answer == [
        {"score": sigmoid(3), "document": "bbb"},
        {"score": sigmoid(2), "document": "cc"},
    ]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"inputs": TEXTS}, 422, "this model does not tell its tokens; use backend torch"),
        ({"inputs": []}, 400, "`inputs` is empty; send at least one text"),
        ({"inputs": ["a"] * 51}, 422, "the request has 51 texts; send 50 or fewer"),
        ({"inputs": "a" * 1_001}, 422, "text 0 has 1001 characters; send 1000 or fewer"),
        ({"inputs": ["a" * 501] * 2}, 413, "1002 characters together; send 1000 or fewer"),
        ({"inputs": [1]}, 422, "valid string"),
        ({"inputs": {"a": 1}}, 422, "valid list"),
        ({"inputs": "a", "add_special_tokens": "yes"}, 422, "valid boolean"),
        ({"texts": ["a"]}, 422, "inputs: Field required"),
    ],
)
def test_a_request_for_tokens_is_refused_in_teis_format(
    url: str, body: dict[str, Any], status: int, message: str
) -> None:
    answer = post(url, "/tokenize", **body)
    assert answer.status_code == status
    assert message in answer.json()["error"]


def test_info_has_the_limit_of_texts(url: str) -> None:
    info = httpx.get(f"{url}/info").json()
    assert info["max_client_batch_size"] == 50
    assert "reranker" in info["model_type"]


def test_health_is_an_empty_answer(url: str) -> None:
    answer = httpx.get(f"{url}/health")
    assert (answer.status_code, answer.content) == (200, b"")


def test_metrics_count_requests_under_teis_names() -> None:
    with serving(Counted()) as url:
        post(url, "/rerank", query="q", texts=TEXTS)
        post(url, "/rerank", query="q", texts=[])
        text = httpx.get(f"{url}/metrics").text
    assert 'te_request_count_total{method="rerank"} 1.0' in text
    assert 'te_request_success_total{method="rerank"} 1.0' in text
    assert 'te_request_failure_total{err="empty"} 1.0' in text
    assert "te_queue_size 0.0" in text


@dataclass(frozen=True)
class Form:
    """A request without its query, and a function that reads the message of an error in its wire format."""

    path: str
    body: dict[str, Any]
    message: Callable[[Any], str]


FORMS = [
    Form("/rerank", {"texts": TEXTS}, lambda answer: answer["error"]),
    Form("/rerank", {"model": "m", "documents": TEXTS}, lambda answer: answer["error"]["message"]),
    Form("/rerank", {"documents": TEXTS}, lambda answer: answer["detail"]),
    Form("/v1/rerank", {"documents": TEXTS}, lambda answer: answer["message"]),
    Form("/v2/rerank", {"documents": TEXTS}, lambda answer: answer["message"]),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"query": " "}, "the query is empty"),
        ({"query": 7}, "query: Input should be a valid string"),
        ({}, "query: Field required"),
        ({"query": "q" * 1_001}, "the query has 1001 characters; send 1000 or fewer"),
    ],
)
def test_errors_have_the_wire_format_of_the_request(
    url: str, form: Form, wrong: dict[str, Any], message: str
) -> None:
    answer = post(url, form.path, **form.body, **wrong)
    assert answer.status_code == 422
    assert form.message(answer.json()).startswith(message)


def test_a_text_that_is_too_long_is_refused_if_truncate_is_false(url: str) -> None:
    texts = ["The Moon raises the tides.", "tide " * 600]
    with serving(load_scorer("mini", "torch").loaded()) as mini:
        cut = post(mini, "/rerank", query=QUERY, texts=texts)
        whole = post(mini, "/rerank", query=QUERY, texts=texts[:1], truncate=False)
        refused = post(mini, "/rerank", query=QUERY, texts=texts, truncate=False)
    unknown = post(url, "/rerank", query=QUERY, texts=["a"], truncate=False)
    assert (cut.status_code, whole.status_code) == (200, 200)
    assert (refused.status_code, unknown.status_code) == (422, 422)
    assert "the query and text 1 are " in refused.json()["error"]
    assert "cannot tell which texts are too long" in unknown.json()["error"]


def test_too_many_texts_are_refused(url: str) -> None:
    answer = post(url, "/rerank", query="q", texts=["a"] * 51)
    assert answer.status_code == 422
    assert answer.json() == {
        "error": "the request has 51 texts; send 50 or fewer",
        "error_type": "Validation",
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        b"1" * 10_000,
        b"\xff\xfe",
        b'{"query": "q", "texts": "one"}',
        b'{"query": "q", "texts": ["half a pair: \\ud800"]}',
        b'{"query": "q", "texts": ["a"], "raw_scores": "yes"}',
    ],
    ids=lambda content: content[:40].decode(errors="replace"),
)
def test_a_body_that_is_not_a_request_is_refused(url: str, content: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = httpx.post(f"{url}/rerank", content=content, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["error_type"] == "Validation"


def test_a_large_body_is_refused_with_and_without_its_length_in_the_header() -> None:
    with serving(Counted(), limits={"max_body_bytes": 1_000}) as url:

        def chunks() -> Iterator[bytes]:
            for _ in range(100):
                yield b"x" * 100

        assert post(url, "/rerank", query="q", texts=["a" * 2_000]).status_code == 413
        assert httpx.post(f"{url}/rerank", content=chunks()).status_code == 413


def test_all_paths_except_open_ones_require_the_key() -> None:
    with serving(Counted(), api_key="right") as url:
        for headers, status in (
            ({}, 401),
            ({"Authorization": "Bearer wrong"}, 401),
            ({"Authorization": "Bearer right"}, 200),
        ):
            body = {"query": "q", "texts": TEXTS}
            assert httpx.post(f"{url}/rerank", json=body, headers=headers).status_code == status
            keyed = httpx.post(f"{url}/tokenize", json={"inputs": []}, headers=headers)
            assert keyed.status_code == (400 if status == 200 else status)
            assert httpx.get(f"{url}/info", headers=headers).status_code == status
        assert httpx.get(f"{url}/health").status_code == 200
        assert load_scorer("m", "tei", base_url=url, api_key="right").score([("q", "a")]) == [1.0]


def test_the_error_of_a_failed_model_has_no_traceback() -> None:
    with serving(Broken()) as url:
        answer = post(url, "/rerank", query="q", texts=TEXTS)
    assert (answer.status_code, answer.json()["error_type"]) == (424, "Backend")
    assert not re.search(r"Traceback|\.py|/", answer.json()["error"])


def test_requests_at_the_same_time_share_passes() -> None:
    scorer = Counted()
    with serving(scorer, wait_ms=200, pass_pairs=64) as url:

        async def ask_all() -> list[httpx.Response]:
            async with httpx.AsyncClient() as client:
                bodies = [{"query": f"q{n}", "texts": TEXTS} for n in range(10)]
                return await asyncio.gather(
                    *(client.post(f"{url}/rerank", json=body) for body in bodies)
                )

        answers = asyncio.run(ask_all())
    assert all([rank["index"] for rank in answer.json()] == [1, 2, 0] for answer in answers)
    assert len(scorer.passes) < 5
    assert sum(map(len, scorer.passes)) == 30


def test_a_large_request_holds_up_a_small_one_for_one_pass() -> None:
    scorer = Held()
    with serving(scorer, pass_pairs=10, wait_ms=0.1) as url, ThreadPoolExecutor(2) as threads:
        large = threads.submit(
            post, url, "/rerank", query="large", texts=["a" * n for n in range(1, 101)]
        )
        assert scorer.began.wait(5)
        small = threads.submit(post, url, "/rerank", query="small", texts=TEXTS)
        wait_until_waiting(url, 103)
        scorer.let_go.set()
        assert small.result().status_code == large.result().status_code == 200
    queries = [{query for query, _ in pairs} for pairs in scorer.passes]
    assert "small" in queries[1]
    assert len(queries) == 11


def test_a_full_queue_answers_429_and_then_takes_requests_again() -> None:
    scorer = Held()
    with serving(scorer, limits={"max_waiting_texts": 4}) as url, ThreadPoolExecutor(1) as threads:
        first = threads.submit(post, url, "/rerank", query="q", texts=TEXTS)
        assert scorer.began.wait(5)
        refused = post(url, "/rerank", query="q", texts=TEXTS)
        assert (refused.status_code, refused.json()["error_type"]) == (429, "Overloaded")
        assert refused.headers["retry-after"] == "1"
        scorer.let_go.set()
        assert first.result().status_code == 200
        assert post(url, "/rerank", query="q", texts=TEXTS).status_code == 200


def test_requests_of_disconnected_clients_are_not_scored() -> None:
    scorer = Held()
    with serving(scorer, pass_pairs=10) as url, ThreadPoolExecutor(1) as threads:
        first = threads.submit(post, url, "/rerank", query="stays", texts=TEXTS)
        assert scorer.began.wait(5)
        with pytest.raises(httpx.TimeoutException):
            httpx.post(f"{url}/rerank", json={"query": "left", "texts": TEXTS}, timeout=0.3)
        wait_until_waiting(url, 3)
        scorer.let_go.set()
        assert first.result().status_code == 200
        assert post(url, "/rerank", query="next", texts=TEXTS).status_code == 200
    assert {query for pairs in scorer.passes for query, _ in pairs} == {"stays", "next"}


def test_a_request_that_takes_too_long_gets_status_503() -> None:
    scorer = Held()
    with serving(scorer, limits={"max_seconds": 0.2}) as url:
        answer = post(url, "/rerank", query="q", texts=TEXTS)
        scorer.let_go.set()
    assert (answer.status_code, answer.json()["error_type"]) == (503, "Timeout")


def test_the_event_loop_is_free_while_the_model_works() -> None:
    scorer = Held()
    with serving(scorer) as url, ThreadPoolExecutor(1) as threads:
        running = threads.submit(post, url, "/rerank", query="q", texts=TEXTS)
        assert scorer.began.wait(5)
        assert httpx.get(f"{url}/health", timeout=2).status_code == 200
        scorer.let_go.set()
        running.result()


def test_openapi_has_an_example_for_each_request(url: str) -> None:
    schemas = httpx.get(f"{url}/openapi.json").json()["components"]["schemas"]
    requests = [schema for name, schema in schemas.items() if name.endswith("Request")]
    assert len(requests) == 5
    assert all(schema["examples"] for schema in requests)


def test_limits_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="max_seconds is 0"):
        Limits(max_seconds=0)


def test_the_command_serves_and_finishes_running_requests_after_sigterm(
    preloaded_python: Path,
) -> None:
    with served(preloaded_python, BGE_RERANK_API_KEY="k") as server:
        scorer = load_scorer("mini", "tei", base_url=server.url, api_key="k")
        logits = scorer.score([(QUERY, passage) for passage in PASSAGES])
        assert logits.index(max(logits)) == 1
        with ThreadPoolExecutor(1) as threads:
            many = [(QUERY, f"{passage} {n}" * 5) for n in range(30) for passage in PASSAGES]
            running = threads.submit(scorer.score, many)
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            assert len(running.result()) == 120
        assert server.process.wait(20) in (0, -signal.SIGTERM)


def test_the_log_starts_with_model_backend_precision_device_address_and_need_of_a_key(
    preloaded_python: Path,
) -> None:
    flags = ("--backend", "torch", "--dtype", "float32", "--device", "cpu")
    with served(preloaded_python, *flags) as server:
        log = "".join(server.lines)
    assert "model mini, backend torch, precision float32, device cpu\n" in log
    assert "address 127.0.0.1, port any free port, API key not required\n" in log
    with served(preloaded_python, *flags, BGE_RERANK_API_KEY="s3cret") as server:
        log = "".join(server.lines)
    assert "API key required (BGE_RERANK_API_KEY)\n" in log
    assert "s3cret" not in log


def test_a_server_that_cannot_load_its_model_ends_with_one_line() -> None:
    command = [sys.executable, "-m", "bge_rerank.cli", "serve", "--model", "/no/such/folder"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1
    assert len(ended.stderr.strip().splitlines()) == 1


def test_answers_to_requests_with_unusual_characters_are_valid_json(url: str) -> None:
    answer = post(
        url,
        "/rerank",
        query="q \u2603 \ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
        texts=["é"],
    )
    assert json.loads(answer.content) == [{"index": 0, "score": sigmoid(1)}]
