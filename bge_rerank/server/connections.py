"""The limits of connections: how long a client may be silent, and how many connections may be open."""

from __future__ import annotations

import asyncio
from math import ceil
from operator import itemgetter
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bge_rerank.server.options import Limits

HEAD_SECONDS = 10.0
"""The maximum wait for the head of a request: its first line and its headers."""
HEAD_BYTES = 65_536
"""The maximum size of a head. It also limits the bytes between two parts of a chunked body."""
UNSENT_SECONDS = 60.0
"""The maximum time that an answer waits in memory because its client does not read it."""
LOOK_SECONDS = 1.0
"""The time between two checks of a connection."""
MOST_CONNECTIONS = 1_000
SPARE_FILES = 100
"""The number of files that the process can open besides its connections."""
WARNING_SECONDS = 60.0
"""The minimum time between two warnings about too many connections."""
TOO_MANY = (
    "More than %d connections are open, so the longest-waiting one is closed. "
    "Limit the connections of each client in a proxy. If `ulimit -n` is below 1,100, raise it."
)


def bounds(limits: Limits) -> dict[str, Any]:
    """Return uvicorn's settings: limited connections, and the time for running requests after SIGTERM."""
    return {
        "http": BoundedProtocol,
        "ws": "none",
        "timeout_graceful_shutdown": ceil(limits.max_seconds),
    }


def most_connections() -> int:
    """Return the maximum number of open connections. Each counts as an open file of the process."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return MOST_CONNECTIONS
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, max(files - SPARE_FILES, files // 2))


class BoundedProtocol(HttpToolsProtocol):
    """A uvicorn connection that ends if its head is slow or too large, or if its answers are not read.

    If too many connections are open, the one that has waited longest for a request ends. So clients
    that send their request at once are served. `Bodies` limits the bodies.
    """

    _warned = float("-inf")

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """Take uvicorn's arguments."""
        super().__init__(*arguments, **named)
        self.waits_since: float | None = None
        self._unsent_since: float | None = None
        self._head_bytes = 0
        self._look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for a head, and close another connection if too many are open."""
        super().connection_made(transport)
        self.waits_since = self.loop.time()
        self._look = self.loop.call_later(LOOK_SECONDS, self._look_again)
        most = most_connections()
        if len(self.connections) > most:
            self._make_room(most)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the checks."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the data, and end the connection if its head is too large."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > HEAD_BYTES:
            self.end(b"431 Request Header Fields Too Large")

    def on_headers_complete(self) -> None:
        """Start the request."""
        self.waits_since, self._head_bytes = None, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass on a part of the body."""
        self._head_bytes = 0
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Start waiting for the next head, unless it has arrived."""
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
        """End the connection with a status and an empty body."""
        if not self.transport.is_closing():
            head = b"HTTP/1.1 " + status + b"\r\n"
            self.transport.write(head + b"content-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()
