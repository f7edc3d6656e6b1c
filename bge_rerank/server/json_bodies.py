"""`JsonRoute` parses a body once, a large one in a thread, and counts its texts before FastAPI checks them."""

from __future__ import annotations

import asyncio
import codecs
import gc
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json

from bge_rerank.server.refusals import RefusedError, form_of, route_of
from bge_rerank.server.schemas import FIELDS, LISTS

SMALL_BYTES = 65_536
"""Parsing a body up to this size takes less time than starting a thread."""


class JsonRoute(APIRoute):
    """A route that parses the body and counts its texts before FastAPI checks it.

    The application's `state` must have `max_texts` and the lock `parsing`.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the function that answers a request."""
        answer = super().get_route_handler()
        if self.body_field is None:
            return answer

        async def parse_first(request: Request) -> Response:
            # FastAPI replaces errors that are raised while it parses, so the body is parsed before.
            parsed = JsonRequest(request.scope, request.receive)
            await parsed.json()
            return await answer(parsed)

        return parse_first


class JsonRequest(Request):
    """A request whose body is parsed once. After that, `state.form` is its wire format."""

    async def json(self) -> Any:
        """Return the fields of the body that a wire format has.

        Raises:
            RefusedError: The body is not JSON, has too many texts, or its client disconnected before it was parsed.
        """
        if not hasattr(self, "_json"):
            body = await self._parsed(await self.body())
            self.state.form = form_of(route_of(self.scope), body)
            _refuse_many(body, self.app.state.max_texts)
            self._json = _kept(body)
        return self._json

    async def _parsed(self, body: bytes) -> Any:
        if len(body) <= SMALL_BYTES:
            return parsed_json(body)
        # The first call makes the server listen for a disconnect.
        await self.is_disconnected()
        # A parsed body can take 20 times its bytes, so only one is parsed at a time.
        async with self.app.state.parsing:
            if await self.is_disconnected():
                raise RefusedError("Gone", "the client disconnected")
            return await asyncio.to_thread(parsed_json, body)


def parsed_json(body: bytes) -> Any:
    """Parse JSON in UTF-8.

    Raises:
        RefusedError: The body is not JSON, is nested too deep, or has a number with too many digits.

    >>> parsed_json(b'{"query": "q"}')
    {'query': 'q'}
    """
    try:
        with _no_garbage_collection():
            return from_json(body.removeprefix(codecs.BOM_UTF8))
    except ValueError as error:
        message = f"the body is not valid JSON ({error}); send a JSON object in UTF-8"
        raise RefusedError("Validation", message) from error


def _refuse_many(body: Any, max_texts: int) -> None:
    lists = [body.get(name) for name in LISTS] if isinstance(body, dict) else []
    for texts in lists:
        if isinstance(texts, list) and len(texts) > max_texts:
            message = f"the request has {len(texts)} texts; send {max_texts} or fewer"
            raise RefusedError("Validation", message)


def _kept(body: Any) -> Any:
    """Drop unknown fields, which would take memory while the request waits."""
    if not isinstance(body, dict):
        return body
    kept = {name: body[name] for name in FIELDS if name in body}
    if isinstance(kept.get("documents"), list):
        kept["documents"] = list(map(_kept_document, kept["documents"]))
    return kept


def _kept_document(document: Any) -> Any:
    if isinstance(document, dict) and "text" in document:
        return {"text": document["text"]}
    return document


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Pause garbage collection, which would scan millions of new lists many times."""
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()
