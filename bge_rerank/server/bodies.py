"""`Bodies`: receives the bodies of requests, bounded in bytes and in time, one by one and all together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from bge_rerank.server.options import Limits
from bge_rerank.server.refusals import RefusedError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

STALL_SECONDS = 10.0
"""How long the next bytes of a body may take."""
BODIES_AT_ONCE = 10
"""How many bodies of the largest size may be held at a time."""
SMALL_BYTES = 65_536
"""A body of this size always has room, so that large ones keep nobody out who sends a few texts."""


class Bodies:
    """Receives bodies. A body is counted as it comes, whatever its header says, and its rest is not read."""

    def __init__(self, limits: Limits) -> None:
        """Hold nothing."""
        self._largest = limits.max_body_bytes
        self._seconds = limits.max_seconds
        self.held = 0
        """The bytes of all bodies that are received or worked on."""

    @asynccontextmanager
    async def received(self, receive: Receive) -> AsyncIterator[bytes]:
        """Receive a body, and hold it for the length of a block.

        Raises:
            RefusedError: The body is too large or too slow, too much of others is held, or the client has gone.
        """
        body = await self._whole(receive)
        try:
            yield body
        finally:
            self.held -= len(body)

    def refuse_larger(self, size: float) -> None:
        """Refuse a body of more bytes than allowed."""
        if size > self._largest:
            raise RefusedError("TooLarge", f"the body is larger than {self._largest} bytes")

    async def _whole(self, receive: Receive) -> bytes:
        body = bytearray()
        loop = asyncio.get_running_loop()
        latest = loop.time() + self._seconds
        try:
            more = True
            while more:
                async with asyncio.timeout_at(min(latest, loop.time() + STALL_SECONDS)):
                    message = await receive()
                more = self._hold(message, body)
            return bytes(body)
        except TimeoutError:
            self.held -= len(body)
            raise RefusedError("Timeout", "the body came too slowly; send it at once") from None
        except BaseException:
            self.held -= len(body)
            raise

    def _hold(self, message: Message, body: bytearray) -> bool:
        """Add a part to a body; say whether there is more."""
        if message["type"] == "http.disconnect":
            raise RefusedError("Gone", "the client has gone")
        part = message.get("body", b"")
        body += part
        self.held += len(part)
        self.refuse_larger(len(body))
        if len(body) > SMALL_BYTES and self.held > BODIES_AT_ONCE * self._largest:
            raise RefusedError("Overloaded", "too many large bodies at once; try again in a moment")
        return bool(message.get("more_body", False))
