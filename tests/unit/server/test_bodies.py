"""The size and time of each body are limited, and the size of all bodies together."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bge_rerank.server import bodies
from bge_rerank.server.bodies import SMALL_BYTES, Bodies
from bge_rerank.server.options import Limits
from bge_rerank.server.refusals import RefusedError

LARGEST = 2 * SMALL_BYTES
WHOLE = [b"a" * LARGEST]


class Client:
    """A client that sends parts of a body, and then disconnects or stays silent."""

    def __init__(self, parts: Sequence[bytes], *, whole: bool = True, leaves: bool = False) -> None:
        self.parts = list(parts)
        self.whole = whole
        self.leaves = leaves

    async def __call__(self) -> Any:
        if self.parts:
            part = self.parts.pop(0)
            more = bool(self.parts) or not self.whole
            return {"type": "http.request", "body": part, "more_body": more}
        if self.leaves:
            return {"type": "http.disconnect"}
        return await asyncio.Event().wait()


@pytest.fixture
def received() -> Bodies:
    return Bodies(Limits(max_body_bytes=LARGEST))


@asynccontextmanager
async def half_sent(received: Bodies, count: int) -> AsyncIterator[None]:
    """Start some bodies, and never send their ends."""

    async def receive() -> None:
        async with received.received(Client(WHOLE, whole=False)):
            pass

    running = [asyncio.ensure_future(receive()) for _ in range(count)]
    await asyncio.sleep(0)
    yield
    for each in running:
        each.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_a_body_counts_until_its_request_is_answered(received: Bodies) -> None:
    async with received.received(Client([b"abc", b"", b"de"])) as body:
        assert (body, received.held) == (b"abcde", 5)
    assert received.held == 0


async def test_an_eleventh_large_body_is_refused_and_a_small_one_is_received(
    received: Bodies,
) -> None:
    async with half_sent(received, 10):
        assert received.held == 10 * LARGEST
        with pytest.raises(RefusedError, match="too many large bodies") as refused:
            async with received.received(Client(WHOLE)):
                pass
        assert refused.value.kind == "Overloaded"
        async with received.received(Client([b"a" * SMALL_BYTES])) as body:
            assert len(body) == SMALL_BYTES
        assert received.held == 10 * LARGEST
    assert received.held == 0
    async with received.received(Client(WHOLE)) as body:
        assert len(body) == LARGEST


async def test_a_body_whose_client_disconnected_is_not_passed_on(received: Bodies) -> None:
    with pytest.raises(RefusedError) as refused:
        async with received.received(Client([b"{}"], whole=False, leaves=True)):
            pytest.fail("passed on")
    assert (refused.value.kind, received.held) == ("Gone", 0)


async def test_a_body_that_stops_arriving_is_refused(
    received: Bodies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "STALL_SECONDS", 0.05)
    with pytest.raises(RefusedError, match="too slowly") as refused:
        async with received.received(Client([b"a"], whole=False)):
            pass
    assert (refused.value.kind, received.held) == ("Timeout", 0)


async def test_a_slow_body_is_refused_after_the_maximum_time_of_a_request() -> None:
    received = Bodies(Limits(max_seconds=0.2))

    async def drip() -> Any:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"a", "more_body": True}

    with pytest.raises(RefusedError, match="too slowly"):
        async with received.received(drip):
            pass
    assert received.held == 0
