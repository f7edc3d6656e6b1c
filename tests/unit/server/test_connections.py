"""Connections end if they stay silent, send too large a head, or do not read their answers."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn

from bge_rerank.server import connections
from bge_rerank.server.connections import HEAD_BYTES, bounds, most_connections
from bge_rerank.server.options import Limits

GET = b"GET / HTTP/1.1\r\nhost: x\r\n"
SLOW = 20.0
"""The timeout of a test, in seconds."""
LARGE = 20_000_000


class App:
    """An application that answers with `size` bytes, and records the requested paths."""

    def __init__(self, size: int = 0) -> None:
        self.size = size
        self.paths: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.paths.append(scope["path"])
        while (await receive()).get("more_body"):
            pass
        headers = [(b"content-length", str(self.size).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"a" * self.size})


async def until(happened: Callable[[], bool]) -> None:
    """Poll a condition, because uvicorn signals no events."""
    async with asyncio.timeout(SLOW):
        while not happened():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[tuple[uvicorn.Server, Connect]]:
    """Yield a server on this loop, and a function that connects to it."""
    config = uvicorn.Config(
        app, "127.0.0.1", 0, log_level="critical", lifespan="off", **bounds(Limits(max_seconds=1))
    )
    server = uvicorn.Server(config)
    running = asyncio.ensure_future(server.serve())
    await until(lambda: server.started)
    writers = []

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(
            *server.servers[0].sockets[0].getsockname(), limit=2**16
        )
        writers.append(writer)
        return reader, writer

    try:
        yield server, connect
    finally:
        for writer in writers:
            writer.close()
        server.should_exit = True
        await running


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.02)


async def answer(reader: asyncio.StreamReader) -> bytes:
    """Return all bytes until the connection ends."""
    return await asyncio.wait_for(reader.read(), SLOW)


@pytest.mark.parametrize("sent", [b"", b"\r\n", GET], ids=["nothing", "an empty line", "half"])
async def test_a_connection_without_a_complete_head_ends(
    monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    async with serving(App()) as (_, connect):
        reader, writer = await connect()
        writer.write(sent)
        assert (await answer(reader)).startswith(b"HTTP/1.1 408 ")


async def test_a_connection_with_a_slow_second_head_ends_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    async with serving(App()) as (_, connect):
        reader, writer = await connect()
        writer.write(GET + b"\r\n")
        assert b"200 OK" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SLOW)
        ended = asyncio.ensure_future(answer(reader))
        while not ended.done():
            writer.write(b"\r\n")
            await asyncio.sleep(0.01)
        # A write to an ended connection resets it, sometimes before the answer is read.
        with suppress(ConnectionResetError):
            assert (await ended).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "start",
    [GET + b"a: ", GET, b"GET /", b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"],
    ids=["a value", "headers", "a path", "trailers"],
)
async def test_a_connection_with_an_endless_head_ends(start: bytes) -> None:
    async with serving(App()) as (_, connect):
        reader, writer = await connect()
        writer.write(start)
        line = b"b: c\r\n" if start.endswith(b"\n") else b"abcdef"
        sent, ended = 0, asyncio.ensure_future(answer(reader))
        while not ended.done() and sent < 100 * HEAD_BYTES:
            writer.write(line * 1_000)
            sent += 6_000
            await asyncio.sleep(0)
        assert sent < 100 * HEAD_BYTES
        ended.cancel()


async def test_a_large_body_does_not_count_as_a_head() -> None:
    async with serving(App()) as (_, connect):
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % LARGE + b"a" * LARGE)
        assert b"200 OK" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SLOW)


async def test_pipelined_requests_are_all_answered() -> None:
    app = App()
    async with serving(app) as (_, connect):
        reader, writer = await connect()
        writer.write((GET + b"\r\n") * 5_000 + GET + b"connection: close\r\n\r\n")
        assert (await answer(reader)).count(b"200 OK") == 5_001


async def test_a_connection_whose_client_does_not_read_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "UNSENT_SECONDS", 0.1)
    async with serving(App(LARGE)) as (server, connect):
        _, writer = await connect()
        taken = writer.get_extra_info("socket")
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        writer.transport.pause_reading()
        writer.write(GET + b"\r\n")
        await until(lambda: bool(server.server_state.connections))
        await until(lambda: not server.server_state.connections)


async def test_beyond_the_maximum_the_longest_waiting_connection_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "most_connections", lambda: 3)
    async with serving(App()) as (_, connect):
        waiting = []
        for _ in range(3):
            waiting.append(await connect())
            await asyncio.sleep(0.02)
        reader, writer = await connect()
        writer.write(GET + b"connection: close\r\n\r\n")
        assert b"200 OK" in await answer(reader)
        assert (await answer(waiting[0][0])).startswith(b"HTTP/1.1 503 ")
        assert not any(reader.at_eof() for reader, _ in waiting[1:])


@pytest.mark.parametrize(
    ("files", "most"), [(-1, 1_000), (20_000, 1_000), (1_024, 924), (256, 156), (64, 32)]
)
def test_the_maximum_of_connections_leaves_open_files_for_the_rest_of_the_process(
    monkeypatch: pytest.MonkeyPatch, files: int, most: int
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (files, files))
    assert most_connections() == most
