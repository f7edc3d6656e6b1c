"""`Bodies` receives the bodies of requests. It limits the size and time of each, and the size of all together."""

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
"""The maximum time between two parts of a body."""
BODIES_AT_ONCE = 10
"""The number of bodies of the maximum size that the server holds at a time."""
SMALL_BYTES = 65_536
"""Bodies up to this size are always received, so that large ones do not block clients with a few texts."""


class Bodies:
    """A receiver of bodies. It counts the bytes that arrive, not those announced, and stops reading at the limit."""

    def __init__(self, limits: Limits) -> None:
        """Start without bodies."""
        self._largest = limits.max_body_bytes
        self._seconds = limits.max_seconds
        self.held = 0
        """The bytes of all bodies that are being received or scored."""

    @asynccontextmanager
    async def received(self, receive: Receive) -> AsyncIterator[bytes]:
        """Receive a body, and count its bytes until the block ends.

        Raises:
            RefusedError: The body is too large or too slow, the server holds too many large bodies, or the client
                disconnected.
        """
        body = await self._whole(receive)
        try:
            yield body
        finally:
            self.held -= len(body)

    def refuse_larger(self, size: float) -> None:
        """Refuse a body of more bytes than the maximum."""
        if size > self._largest:
            raise RefusedError(
                "TooLarge",
                f"the body is larger than {self._largest} bytes; send fewer or shorter texts",
            )

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
            raise RefusedError(
                "Timeout", "the body arrived too slowly; send it without pauses"
            ) from None
        except BaseException:
            self.held -= len(body)
            raise

    def _hold(self, message: Message, body: bytearray) -> bool:
        """Add a part to a body, and return whether more parts follow."""
        if message["type"] == "http.disconnect":
            raise RefusedError("Gone", "the client disconnected")
        part = message.get("body", b"")
        body += part
        self.held += len(part)
        self.refuse_larger(len(body))
        if len(body) > SMALL_BYTES and self.held > BODIES_AT_ONCE * self._largest:
            raise RefusedError(
                "Overloaded", "the server holds too many large bodies; try again in a second"
            )
        return bool(message.get("more_body", False))
