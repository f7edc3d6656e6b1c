"""Clients that open connections or start requests, and then stay silent, do not block other clients."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest

from served import Served, served

FILES = 256
POST = b"POST /rerank HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\ncontent-length: 9900000\r\n\r\n"


@pytest.fixture(scope="module")
def server(preloaded_python: Path) -> Iterator[Served]:
    with served(preloaded_python, files=FILES, BGE_RERANK_API_KEY="k") as server:
        yield server


def is_well(server: Served) -> bool:
    return httpx.get(f"{server.url}/health", timeout=20).status_code == 200


def test_more_silent_connections_than_files_leave_the_server_healthy_and_a_line_in_the_log(
    server: Served,
) -> None:
    with ExitStack() as opened:
        for _ in range(FILES + 100):
            opened.enter_context(server.connected())
        assert is_well(server)
        body = {"query": "q", "texts": ["a"]}
        headers = {"authorization": "Bearer k"}
        answer = httpx.post(f"{server.url}/rerank", json=body, headers=headers, timeout=20)
        assert answer.status_code == 200
        assert sum("connections are open" in line for line in server.lines) == 1


def test_half_sent_bodies_take_limited_memory(server: Served) -> None:
    before = psutil.Process(server.process.pid).memory_info().rss

    def send(connection: socket.socket) -> bool:
        """Return whether the server received the unfinished body."""
        try:
            connection.sendall(b"a" * 9_000_000)
            time.sleep(0.5)
            connection.settimeout(0.1)
            return not connection.recv(1)
        except TimeoutError:
            return True
        except OSError:
            return False

    with ExitStack() as opened, ThreadPoolExecutor(4) as threads:
        sent = [opened.enter_context(server.connected(POST)) for _ in range(30)]
        taken = sum(threads.map(send, sent))
        assert 8 <= taken <= 12
        assert is_well(server)
    assert psutil.Process(server.process.pid).memory_info().rss - before < 400_000_000


def test_endless_headers_end_the_connection_before_the_key_is_checked(server: Served) -> None:
    sent = 0
    with server.connected(b"POST /rerank HTTP/1.1\r\n") as connection:
        try:
            while sent < 100_000_000:
                connection.sendall(b"a: b\r\n" * 10_000)
                sent += 60_000
        except OSError:
            pass
    assert sent < 20_000_000
    assert is_well(server)


@pytest.mark.long
def test_a_connection_with_half_a_request_ends(server: Served) -> None:
    with ExitStack() as opened:
        begun = (b"", b"GET / HTT", POST, POST + b"{")
        connections = [opened.enter_context(server.connected(each)) for each in begun]
        for connection in connections:
            connection.settimeout(40)
            assert connection.recv(12)[9:] in (b"408", b"503")
