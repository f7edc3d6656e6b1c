"""SIGTERM ends the server within the time of a request, whatever clients do."""

import signal
import socket
import time
from contextlib import ExitStack, suppress
from subprocess import TimeoutExpired

from served import Served, served

POST = b"POST /rerank HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{"
BEGUN = (b"", b"GET / HTT", POST)
UNREAD = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 1_000
"""Its answers take 20 MB."""
LONGEST = 30
"""Seconds after which a test gives up; the server is given 3."""


def ends(server: Served, dripping: list[socket.socket]) -> int | None:
    """Return what the process ends with, while clients go on to send a byte at a time."""
    for _ in range(LONGEST):
        for connection in dripping:
            with suppress(OSError):
                connection.sendall(b" ")
        with suppress(TimeoutExpired):
            return server.process.wait(1)
    return None


def test_no_client_keeps_the_server_up() -> None:
    with ExitStack() as opened:
        server = opened.enter_context(served("--max-seconds", "3"))
        for each in (*BEGUN, UNREAD):
            opened.enter_context(server.connected(each))
        dripping = [opened.enter_context(server.connected(each)) for each in BEGUN]
        time.sleep(1)  # until the server has seen them
        server.process.send_signal(signal.SIGTERM)
        assert ends(server, dripping) in (0, -signal.SIGTERM)
