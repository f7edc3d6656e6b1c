"""`JsonRoute` parses a body once, a large one in a thread, and counts its texts before FastAPI checks them."""

from __future__ import annotations

import asyncio
import codecs
import gc
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import SchemaValidator, ValidationError, core_schema
from pydantic_core.core_schema import CoreSchema

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
            body, too_many = await self._parsed(await self.body())
            self.state.form = form_of(route_of(self.scope), body)
            if too_many is not None:
                raise too_many
            self._json = body
        return self._json

    async def _parsed(self, body: bytes) -> tuple[Any, RefusedError | None]:
        max_texts = self.app.state.max_texts
        if len(body) <= SMALL_BYTES:
            return parsed_json(body, max_texts)
        # The first call makes the server listen for a disconnect.
        await self.is_disconnected()
        # A parsed body can take 20 times its bytes, so only one is parsed at a time.
        async with self.app.state.parsing:
            if await self.is_disconnected():
                raise RefusedError("Gone", "the client disconnected")
            return await asyncio.to_thread(parsed_json, body, max_texts)


def parsed_json(body: bytes, max_texts: int) -> tuple[Any, RefusedError | None]:
    """Parse JSON in UTF-8. Of objects and documents, only the fields of the wire formats are kept.

    Returns:
        The fields, and the refusal of more than `max_texts` texts; then the texts are left out.

    Raises:
        RefusedError: The body is not JSON, is nested too deep, or has a number with too many digits.

    >>> parsed_json(b'{"documents": ["a", {"text": "b", "id": 7}], "unknown": 1}', 2)
    ({'documents': ['a', {'text': 'b'}]}, None)
    """
    body = body.removeprefix(codecs.BOM_UTF8)
    with _no_garbage_collection():
        try:
            return _requests(max_texts).validate_json(body), None
        except ValidationError as error:
            faults = error.errors(include_url=False, include_input=False)
        for fault in faults:
            if fault["type"] == "json_invalid":
                why = fault["ctx"]["error"]
                message = f"the body is not valid JSON ({why}); send a JSON object in UTF-8"
                raise RefusedError("Validation", message)
            if fault["type"] == "too_long":
                count = fault["ctx"]["actual_length"]
                message = f"the request has {count} texts; send {max_texts} or fewer"
                rest = _WITHOUT_TEXTS.validate_json(body)
                return {**rest, str(fault["loc"][0]): []}, RefusedError("Validation", message)
        # Something else stands where an object or a list is expected: the check of the request says what.
        return _MISTYPED.validate_json(body), None


@cache
def _requests(max_texts: int) -> SchemaValidator:
    """Return a parser that makes only what a request needs: a million unknown fields take little time."""
    document = core_schema.union_schema([_object({"text": _ANY}), _ANY], mode="left_to_right")
    texts = core_schema.list_schema(document, max_length=max_texts)
    return SchemaValidator(_object(dict.fromkeys(FIELDS, _ANY) | dict.fromkeys(LISTS, texts)))


def _object(fields: Mapping[str, CoreSchema]) -> CoreSchema:
    """Return the schema of an object that may have these fields. It leaves out all others."""
    return core_schema.typed_dict_schema(
        {name: core_schema.typed_dict_field(kind, required=False) for name, kind in fields.items()}
    )


_ANY = core_schema.any_schema()
_MISTYPED = SchemaValidator(
    core_schema.union_schema([_object(dict.fromkeys(FIELDS, _ANY)), _ANY], mode="left_to_right")
)
_WITHOUT_TEXTS = SchemaValidator(_object(dict.fromkeys(FIELDS.difference(LISTS), _ANY)))


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
