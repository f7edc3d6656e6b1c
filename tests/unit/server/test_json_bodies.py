"""A body is parsed once, a large one in a thread, and its texts are counted before they are checked."""

import asyncio
import gc
import json
import threading
import time
import tracemalloc
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, ValidationError

from bge_rerank.server import json_bodies
from bge_rerank.server.app import create_app
from bge_rerank.server.json_bodies import SMALL_BYTES, JsonRequest
from bge_rerank.server.options import Limits, ServerOptions
from bge_rerank.server.refusals import RefusedError
from bge_rerank.server.schemas import LISTS, REQUESTS
from counted_scorer import Counted

LARGE = "a" * (SMALL_BYTES + 1)
JSON = {"content-type": "application/json"}


class Parsing:
    """A recorder of parses: their threads, and how many ran at the same time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.threads: list[int] = []
        self.running = self.most = 0
        self._parsed = json_bodies.parsed_json
        monkeypatch.setattr(json_bodies, "parsed_json", self.parse)

    def parse(self, body: bytes, max_texts: int) -> Any:
        self.threads.append(threading.get_ident())
        self.running += 1
        self.most = max(self.most, self.running)
        if len(body) > SMALL_BYTES:
            time.sleep(0.05)  # lets another parse begin, if it can
        try:
            return self._parsed(body, max_texts)
        finally:
            self.running -= 1


@pytest.fixture
def parsing(monkeypatch: pytest.MonkeyPatch) -> Parsing:
    return Parsing(monkeypatch)


async def post(*bodies: Any, path: str = "/rerank", max_texts: int = 3) -> list[httpx.Response]:
    """Send bodies at the same time, and return their answers."""
    options = ServerOptions(model_name="m", limits=Limits(max_texts=max_texts))
    transport = httpx.ASGITransport(create_app(Counted(), options))
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        contents = [b if isinstance(b, bytes) else json.dumps(b).encode() for b in bodies]
        sent = [client.post(path, content=content, headers=JSON) for content in contents]
        return list(await asyncio.gather(*sent))


@pytest.mark.parametrize("texts", [["a"], []], ids=["answered", "refused"])
async def test_a_body_is_parsed_once(parsing: Parsing, texts: list[str]) -> None:
    await post({"query": "q", "texts": texts})
    assert len(parsing.threads) == 1


async def test_large_bodies_are_parsed_off_the_event_loop_one_at_a_time(parsing: Parsing) -> None:
    await post({"query": "q", "texts": ["a"]})
    assert parsing.threads == [threading.get_ident()]
    answers = await post(*[{"query": "q", "texts": [LARGE]}] * 5)
    assert [answer.status_code for answer in answers] == [200] * 5
    assert threading.get_ident() not in parsing.threads[1:]
    assert parsing.most == 1


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
async def test_texts_are_counted_before_they_are_checked(path: str) -> None:
    [answer] = await post({"query": 7, "documents": [1, 2, 3, 4]}, path=path)
    assert answer.status_code == 422
    assert "the request has 4 texts; send 3 or fewer" in answer.text


@pytest.mark.parametrize("request_type", REQUESTS)
def test_the_first_bad_text_ends_the_check(request_type: type[BaseModel]) -> None:
    [texts] = [name for name in LISTS if name in request_type.model_fields]
    with pytest.raises(ValidationError) as refused:
        request_type.model_validate({"model": "m", "query": "q", texts: [1] * 1_000})
    assert len({error["loc"][:2] for error in refused.value.errors()}) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "EOF"),
        (b"{", "EOF"),
        (b"[" * 100_000, "recursion limit exceeded"),
        (b"1" * 10_000, "number out of range"),
        (b'{"query": "q", "texts": ["\xff"]}', "unicode"),
        (b'{"query": "q", "texts": ["half a pair: \\ud800"]}', "hex escape"),
    ],
)
async def test_the_error_for_a_body_that_is_not_json_says_why(content: bytes, message: str) -> None:
    [answer] = await post(content)
    assert (answer.status_code, answer.json()["error_type"]) == (422, "Validation")
    assert answer.json()["error"].startswith("the body is not valid JSON (")
    assert message in answer.json()["error"]


async def test_a_byte_order_mark_is_ignored() -> None:
    [answer] = await post(b"\xef\xbb\xbf" + b'{"query": "q", "texts": ["a"]}')
    assert answer.status_code == 200


def request_of(body: Any, *after: str) -> JsonRequest:
    """Return a request with a body, followed by messages of the types in `after`."""
    parts = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]
    coming = [*parts, *({"type": kind} for kind in after)]
    state = SimpleNamespace(max_texts=3, parsing=asyncio.Lock())
    app = SimpleNamespace(state=state)

    async def receive() -> Any:
        return coming.pop(0) if coming else await asyncio.Event().wait()

    return JsonRequest({"type": "http", "path": "/rerank", "headers": [], "app": app}, receive)


async def test_a_large_body_whose_client_disconnected_is_not_parsed(parsing: Parsing) -> None:
    with pytest.raises(RefusedError, match="disconnected"):
        await request_of({"texts": [LARGE]}, "http.disconnect").json()
    assert parsing.threads == []


async def test_unknown_fields_are_dropped() -> None:
    document = {"text": "a", "other": [[]] * 9}
    request = request_of({"query": "q", "documents": [document, "b", {}], "other": [[]] * 9})
    assert await request.json() == {"query": "q", "documents": [{"text": "a"}, "b", {}]}


@pytest.mark.parametrize(
    "body",
    [
        b'{"query": "q", "texts": ["a"]%s}' % b"".join(b', "%05d": 1' % n for n in range(50_000)),
        b'{"query": "q", "documents": [{"text": "a"%s}]}'
        % b"".join(b', "%05d": 1' % n for n in range(50_000)),
        b'{"inputs": "a"%s}' % b"".join(b', "%05d": 1' % n for n in range(50_000)),
    ],
    ids=["of the body", "of a document", "beside one text"],
)
def test_unknown_fields_make_no_objects(body: bytes) -> None:
    json_bodies.parsed_json(b"{}", 3)
    tracemalloc.start()
    json_bodies.parsed_json(body, 3)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20_000


@pytest.mark.parametrize("collects", [True, False])
def test_garbage_collection_is_as_before_after_a_parse(collects: bool) -> None:
    (gc.enable if collects else gc.disable)()
    try:
        json_bodies.parsed_json(b"[]", 3)
        with pytest.raises(RefusedError):
            json_bodies.parsed_json(b"[", 3)
        assert gc.isenabled() == collects
    finally:
        gc.enable()
