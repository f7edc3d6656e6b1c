"""How the server meets the network: how long a client may be silent, and how many may be connected."""

from __future__ import annotations

import asyncio
from math import ceil
from operator import itemgetter
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bge_rerank.server.options import Limits

HEAD_SECONDS = 10.0
"""How long the head of a request, its first line and its headers, may let the server wait."""
HEAD_BYTES = 65_536
"""The most bytes of a head, and of what may stand between two parts of a body in chunks."""
UNSENT_SECONDS = 60.0
"""How long a client may leave answers in the server's memory."""
LOOK_SECONDS = 1.0
"""How often a connection is looked at."""
MOST_CONNECTIONS = 1_000
SPARE_FILES = 100
"""Files that the process may open besides its connections."""
WARNING_SECONDS = 60.0
"""How often the log says that there are too many connections."""
TOO_MANY = (
    "More than %d connections are open; those that have waited longest for a request are closed. "
    "Let a proxy bound what a client may open; where `ulimit -n` is below 1,100, raise it."
)


def bounds(limits: Limits) -> dict[str, Any]:
    """Return the settings of uvicorn that bound its connections, and how long it waits after SIGTERM."""
    return {
        "http": BoundedProtocol,
        "ws": "none",
        "timeout_graceful_shutdown": ceil(limits.max_seconds),
    }


def most_connections() -> int:
    """Return how many connections may be open at a time: each is a file to the system."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return MOST_CONNECTIONS
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, max(files - SPARE_FILES, files // 2))


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's connection, ended where its client sends a head too slowly or too large, or takes no answer.

    Where there are too many connections, the one that has waited longest for a request is ended: a
    client that sends its request at once is served. `Bodies` bounds what comes after a head.
    """

    _warned = float("-inf")

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """Take what uvicorn gives."""
        super().__init__(*arguments, **named)
        self.waits_since: float | None = None
        self._unsent_since: float | None = None
        self._head_bytes = 0
        self._look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a head."""
        super().connection_made(transport)
        self.waits_since = self.loop.time()
        self._look = self.loop.call_later(LOOK_SECONDS, self._look_again)
        most = most_connections()
        if len(self.connections) > most:
            self._make_room(most)

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came; end the connection where a head is too large."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > HEAD_BYTES:
            self.end(b"431 Request Header Fields Too Large")

    def on_headers_complete(self) -> None:
        """Start the request."""
        self.waits_since, self._head_bytes = None, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand on a part of the body."""
        self._head_bytes = 0
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Wait for the next head, unless it has come."""
        if not self.pipeline:
            self.waits_since = self.loop.time()
        super().on_response_complete()

    def _look_again(self) -> None:
        now = self.loop.time()
        unsent = self.transport.get_write_buffer_size() > 0
        self._unsent_since = (self._unsent_since or now) if unsent else None
        if self._unsent_since is not None and now - self._unsent_since > UNSENT_SECONDS:
            self.transport.abort()
        elif self.waits_since is not None and now - self.waits_since > HEAD_SECONDS:
            self.end(b"408 Request Timeout")
        self._look = self.loop.call_later(LOOK_SECONDS, self._look_again)

    def _make_room(self, most: int) -> None:
        waiting = [
            (each.waits_since, each)
            for each in self.connections
            if isinstance(each, BoundedProtocol)
            and each.waits_since is not None
            and not each.transport.is_closing()
        ]
        _, longest = min(waiting, key=itemgetter(0), default=(None, self))
        longest.end(b"503 Service Unavailable")
        now = self.loop.time()
        if now - BoundedProtocol._warned > WARNING_SECONDS:
            BoundedProtocol._warned = now
            self.logger.warning(TOO_MANY, most)

    def end(self, status: bytes) -> None:
        """End the connection with an answer of a status and nothing else."""
        if not self.transport.is_closing():
            head = b"HTTP/1.1 " + status + b"\r\n"
            self.transport.write(head + b"content-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()
