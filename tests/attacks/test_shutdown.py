"""After SIGTERM, the server ends within the maximum time of a request, whatever its clients do."""

import signal
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from subprocess import TimeoutExpired

from served import Served, served

POST = b"POST /rerank HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{"
BEGUN = (b"", b"GET / HTT", POST)
UNREAD = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 1_000
"""Requests whose answers take 20 MB."""
LONGEST = 30
"""The timeout of the test, in seconds. The server's own maximum is 3 seconds."""


def ends(server: Served, dripping: list[socket.socket]) -> int | None:
    """Return the exit code of the server, while clients keep sending single bytes."""
    for _ in range(LONGEST):
        for connection in dripping:
            with suppress(OSError):
                connection.sendall(b" ")
        with suppress(TimeoutExpired):
            return server.process.wait(1)
    return None


def test_no_client_keeps_the_server_from_ending(preloaded_python: Path) -> None:
    with ExitStack() as opened:
        server = opened.enter_context(served(preloaded_python, "--max-seconds", "3"))
        for each in (*BEGUN, UNREAD):
            opened.enter_context(server.connected(each))
        dripping = [opened.enter_context(server.connected(each)) for each in BEGUN]
        time.sleep(1)  # until the server has seen them
        server.process.send_signal(signal.SIGTERM)
        assert ends(server, dripping) in (0, -signal.SIGTERM)
