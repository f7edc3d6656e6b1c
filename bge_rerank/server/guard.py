"""`Guard`: the key and the size of a body, checked before anything is read or parsed."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from bge_rerank.server.refusals import RefusedError, error_body, form_of

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

OPEN_PATHS = frozenset({"/health", "/", "/openapi.json", "/docs"})
"""What needs no key: a load balancer's question, and pages that hold no data."""
OPEN_FOLDER = "/static-offline-docs/"
"""The scripts and styles of `/docs`, which fastapi-offline serves here."""


class Guard:
    """ASGI middleware: 401 without the key, 413 for a body that is too large.

    A body is counted as it comes, whatever its header says, and its rest is not read.
    """

    def __init__(self, app: App, max_body_bytes: int, api_key: str | None) -> None:
        """Stand in front of an application."""
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._key = None if api_key is None else f"Bearer {api_key}".encode()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer with a refusal, or let the application answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if not self._may_pass(scope["path"], headers.get(b"authorization", b"")):
            await _refuse(scope, send, RefusedError("Unauthorized", "no or wrong bearer token"))
            return
        limit = self._max_body_bytes
        announced = headers.get(b"content-length", b"0")
        fits = announced.isdigit() and int(announced) <= limit
        body = await _body(receive, limit) if fits else None
        if body is None:
            too_large = RefusedError("TooLarge", f"the body is larger than {limit} bytes")
            await _refuse(scope, send, too_large)
            return
        await self._app(scope, _again(body, receive), send)

    def _may_pass(self, path: str, authorization: bytes) -> bool:
        if self._key is None or path in OPEN_PATHS or path.startswith(OPEN_FOLDER):
            return True
        return hmac.compare_digest(authorization, self._key)


async def _body(receive: Receive, limit: int) -> bytes | None:
    """Read a body; `None` where it is larger than allowed."""
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            return None
        more = message.get("more_body", False)
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body once, and then what comes after it."""
    given = False

    async def give() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return give


async def _refuse(scope: Message, send: Send, refusal: RefusedError) -> None:
    content = json.dumps(error_body(form_of(scope["path"], None), refusal)).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"connection", b"close"),
    ]
    if refusal.kind == "Unauthorized":
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
