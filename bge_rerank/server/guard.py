"""`Guard` checks the API key and the size of the body before anything is parsed."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from math import inf

from bge_rerank.server.bodies import Bodies, Message, Receive
from bge_rerank.server.options import Limits
from bge_rerank.server.refusals import RefusedError, error_body, form_of, route_of

Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

OPEN_PATHS = frozenset({"/health", "/", "/openapi.json", "/docs"})
"""The paths that need no key: the health check of load balancers, and pages without data."""
OPEN_FOLDER = "/static-offline-docs/"
"""The folder where fastapi-offline serves the scripts and styles of `/docs`."""


class Guard:
    """ASGI middleware that answers 401 without the key, and 413 to a body that is too large.

    It checks the key before it reads any of the body. For open paths it does not read the body.
    """

    def __init__(self, app: App, limits: Limits, api_key: str | None) -> None:
        """Stand in front of an application."""
        self._app = app
        self._bodies = Bodies(limits)
        self._key = None if api_key is None else f"Bearer {api_key}".encode()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer with a refusal, or let the application answer."""
        if scope["type"] != "http" or _is_open(route_of(scope)):
            await self._app(scope, receive, send)
            return
        try:
            self._check(dict(scope["headers"]))
            async with self._bodies.received(receive) as body:
                await self._app(scope, _again(body, receive), send)
        except RefusedError as refusal:
            await _refuse(scope, send, refusal)

    def _check(self, headers: dict[bytes, bytes]) -> None:
        given = headers.get(b"authorization", b"")
        if self._key is not None and not hmac.compare_digest(given, self._key):
            raise RefusedError(
                "Unauthorized",
                "the API key is missing or wrong; send it as `Authorization: Bearer KEY`",
            )
        self._bodies.refuse_larger(_size(headers.get(b"content-length", b"0")))


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDER)


def _size(announced: bytes) -> float:
    try:
        return int(announced)
    except ValueError:
        return inf


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that first gives the body that was read, then the client's next messages."""
    given = False

    async def give() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return give


async def _refuse(scope: Message, send: Send, refusal: RefusedError) -> None:
    content = json.dumps(error_body(form_of(route_of(scope), None), refusal)).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"connection", b"close"),
        *((name.lower().encode(), value.encode()) for name, value in refusal.headers.items()),
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
