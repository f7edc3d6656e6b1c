"""Run our own server on loopback during a block: in a thread, or as the command in a process."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from bge_rerank import Scorer
from bge_rerank.server.app import create_app
from bge_rerank.server.connections import bounds
from bge_rerank.server.options import Limits, ServerOptions
from preloaded import Command


def free_port() -> int:
    """Return a free port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextmanager
def serving(
    scorer: Scorer, *, limits: dict[str, Any] | None = None, **options: Any
) -> Iterator[str]:
    """Run a server in a thread during the block, and yield its URL."""
    bounded = Limits(**(limits or {}))
    app = create_app(scorer, ServerOptions(**{"model_name": "m", **options}, limits=bounded))
    config = uvicorn.Config(
        app, "127.0.0.1", 0, log_level="error", lifespan="off", **bounds(bounded)
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@dataclass
class Served:
    """The command in a separate process.

    Attributes:
        lines: The lines of its log so far.
    """

    process: Command
    lines: list[str] = field(default_factory=list)
    url: str = ""

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    def connected(self, sent: bytes = b"") -> socket.socket:
        """Open a connection, send some bytes, and return it."""
        connection = socket.create_connection(self.address, timeout=20)
        connection.sendall(sent)
        return connection

    def read(self) -> None:
        for line in self.process.stderr:
            self.lines.append(line)
            if started := re.search(r"http://[\d.:]+", line):
                self.url = started[0]
                return


@contextmanager
def served(
    python: Path, *flags: str, files: int | None = None, **environment: str
) -> Iterator[Served]:
    """Run `bge-rerank serve` with the model `mini`.

    Args:
        python: The socket of a preloaded Python.
        flags: Flags of the command.
        files: How many files it may have open.
        environment: Variables, besides those of this process.
    """
    command = ("serve", "--model", "mini", "--port", "0", *flags)
    process = Command(python, *command, files=files, environment=environment)
    server = Served(process)
    try:
        server.read()
        assert server.url, server.lines
        threading.Thread(target=lambda: server.lines.extend(process.stderr)).start()
        yield server
    finally:
        process.end()
