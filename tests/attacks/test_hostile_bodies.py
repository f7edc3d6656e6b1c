"""Bodies of allowed size that are built to cost much time or memory cost little, and the server keeps serving."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from served import Served, served

BYTES = 9_990_000
JSON = {"content-type": "application/json"}


def filled(start: bytes, item: bytes, end: bytes) -> bytes:
    """Return a body just below the maximum size."""
    return start + item * ((BYTES - len(start) - len(end)) // len(item)) + end


HOSTILE = {
    "numbers for texts": (
        filled(b'{"query": "a", "texts": [', b"1,", b"1]}"),
        "texts; send 1000 or fewer",
    ),
    "lists for texts": (
        filled(b'{"query": "a", "texts": [', b"[],", b"1]}"),
        "texts; send 1000 or fewer",
    ),
    "texts": (filled(b'{"query": "a", "texts": [', b'"",', b'""]}'), "texts; send 1000 or fewer"),
    "a list": (filled(b"[", b"1,", b"1]"), "valid dictionary"),
    "a number": (b"1" * BYTES, "out of range"),
    "nested lists": (b"[" * BYTES, "recursion limit"),
    "nested objects": (filled(b"", b'{"a":', b""), "recursion limit"),
    "no UTF-8": (b'"' + b"\xff" * BYTES + b'"', "unicode"),
}
"""Each body, and a part of its error message."""


@pytest.fixture(scope="module")
def server(preloaded_python: Path) -> Iterator[Served]:
    with served(preloaded_python) as server:
        yield server


def post(server: Served, path: str, content: bytes) -> httpx.Response:
    return httpx.post(f"{server.url}{path}", content=content, headers=JSON, timeout=20)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_is_refused_within_the_timeout(server: Served, name: str) -> None:
    body, message = HOSTILE[name]
    answer = post(server, "/rerank", body)
    assert answer.status_code == 422
    assert message in answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/rerank", "documents"),
        ("/v1/rerank", "documents"),
        ("/v2/rerank", "documents"),
        ("/tokenize", "inputs"),
    ],
)
def test_a_body_of_two_million_texts_is_refused_before_its_items_are_checked(
    server: Served, path: str, name: str
) -> None:
    texts = b"1," * 1_999_999 + b"1]}"
    answer = post(server, path, b'{"query": "a", "%s": [%s' % (name.encode(), texts))
    assert answer.status_code == 422
    assert "the request has 2000000 texts; send 1000 or fewer" in answer.text


def test_hostile_bodies_leave_little_memory_in_use_and_the_server_healthy(server: Served) -> None:
    body = filled(b'{"query": "a", "texts": ["a"], "other": [', b"[],", b"1]}")
    before = psutil.Process(server.process.pid).memory_info().rss
    assert [post(server, "/rerank", body).status_code for _ in range(3)] == [200] * 3
    taken = psutil.Process(server.process.pid).memory_info().rss - before
    assert taken < 500_000_000
    assert httpx.get(f"{server.url}/health", timeout=20).status_code == 200


def test_a_token_for_each_byte_takes_little_memory_and_more_text_is_refused(server: Served) -> None:
    most = b"!" * 200_000
    before = psutil.Process(server.process.pid).memory_info().rss
    for _ in range(2):
        answer = post(server, "/tokenize", b'{"inputs": "%s"}' % most)
        assert answer.content.count(b'"stop"') == 200_002
    taken = psutil.Process(server.process.pid).memory_info().rss - before
    assert taken < 500_000_000
    answer = post(server, "/tokenize", b'{"inputs": ["%s", "!"]}' % most)
    assert answer.status_code == 413
