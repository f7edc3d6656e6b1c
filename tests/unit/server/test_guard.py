"""The guard refuses requests before the application sees them, and passes on bodies unchanged."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from bge_rerank.server import bodies
from bge_rerank.server.guard import Guard
from bge_rerank.server.options import Limits

LIMITS = Limits(max_body_bytes=10)


class Behind:
    """An application that records the bodies that it receives, and the messages after them."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.after: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.bodies.append((await receive())["body"])
        self.after.append((await receive())["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def answer(
    behind: Behind,
    chunks: Sequence[bytes],
    headers: dict[str, str] | None = None,
    *,
    path: str = "/rerank",
    api_key: str | None = None,
    limits: Limits = LIMITS,
) -> list[dict[str, Any]]:
    """Return the messages of an answer. The client disconnects after its request."""
    coming = [
        {"type": "http.request", "body": chunk, "more_body": number < len(chunks) - 1}
        for number, chunk in enumerate(chunks)
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return coming.pop(0) if coming else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {"type": "http", "path": path, "headers": raw}
    asyncio.run(Guard(behind, limits, api_key)(scope, receive, send))
    return sent


def ask(behind: Behind, chunks: Sequence[bytes], *rest: Any, **more: Any) -> tuple[int, Any]:
    """Return the status and the body of an answer."""
    start, body = answer(behind, chunks, *rest, **more)
    return start["status"], body["body"]


def test_a_body_in_chunks_arrives_whole_and_a_later_disconnect_is_seen() -> None:
    behind = Behind()
    assert ask(behind, [b"abc", b"", b"defg"])[0] == 200
    assert behind.bodies == [b"abcdefg"]
    assert behind.after == ["http.disconnect"]


@pytest.mark.parametrize(
    ("chunks", "headers"),
    [
        ([b"12345678901"], {}),
        ([b"123456", b"78901"], {}),
        ([b"1"], {"content-length": "11"}),
        ([b"1"], {"content-length": "many"}),
        ([b"1"], {"content-length": "1" * 5_000}),
    ],
)
def test_a_body_that_is_too_large_does_not_reach_the_application(
    chunks: list[bytes], headers: dict[str, str]
) -> None:
    behind = Behind()
    status, body = ask(behind, chunks, headers)
    assert (status, behind.bodies) == (413, [])
    assert json.loads(body)["error"] == (
        "the body is larger than 10 bytes; send fewer or shorter texts"
    )


@pytest.mark.parametrize(
    "sent", ["", "right", "Bearer", "Bearer wrong", "bearer right", "Bearer rightt"]
)
def test_a_request_without_the_right_key_does_not_reach_the_application(sent: str) -> None:
    behind = Behind()
    status, body = ask(behind, [b"1"], {"authorization": sent}, path="/v1/rerank", api_key="right")
    assert (status, behind.bodies) == (401, [])
    assert "API key is missing or wrong" in json.loads(body)["message"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/health", 200),
        ("/", 200),
        ("/info", 401),
        ("/static-offline-docs/swagger-ui.css", 200),
        ("/static-offline-docs", 401),
    ],
)
def test_only_open_paths_need_no_key(path: str, status: int) -> None:
    assert ask(Behind(), [b""], path=path, api_key="right")[0] == status


def test_a_429_asks_the_client_to_retry_after_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bodies, "BODIES_AT_ONCE", 0)
    larger = Limits(max_body_bytes=2 * bodies.SMALL_BYTES)
    start, _ = answer(Behind(), [b"1" * (bodies.SMALL_BYTES + 1)], limits=larger)
    assert start["status"] == 429
    assert (b"retry-after", b"1") in start["headers"]


def test_a_401_names_the_scheme_of_the_key() -> None:
    start, _ = answer(Behind(), [b"1"], path="/info", api_key="right")
    assert (b"www-authenticate", b"Bearer") in start["headers"]


def test_the_guard_does_not_read_the_bodies_of_open_paths() -> None:
    behind = Behind()
    assert ask(behind, [b"1" * 11, b"2"], path="/health", api_key="right")[0] == 200
    assert behind.bodies == [b"1" * 11]
    assert behind.after == ["http.request"]
