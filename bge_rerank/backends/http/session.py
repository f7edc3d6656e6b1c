"""`Session`: one HTTP client on one event loop; and `run`, the loop that sync callers share."""

from __future__ import annotations

import asyncio
import email.utils
import json
import os
import ssl
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import httpx

from bge_rerank.backends.http.answers import message_of
from bge_rerank.errors import ConfigurationError, ServerError
from bge_rerank.models.config import ScorerConfig, headers_of

Result = TypeVar("Result")

HEADERS = {"content-type": "application/json", "accept": "application/json"}

_loops: dict[int, asyncio.AbstractEventLoop] = {}
_starting = threading.Lock()


class Session:
    """Connections that are used again, and a bound on how many requests run at once.

    Proxies are taken from the environment, as every HTTP client does.
    """

    def __init__(self, config: ScorerConfig, api_key: str | None) -> None:
        """Open a client; nothing is sent.

        Raises:
            ConfigurationError: `verify` names no file of certificates.
        """
        key = {} if api_key is None else {"authorization": f"Bearer {api_key}"}
        self._client = httpx.AsyncClient(
            headers={**HEADERS, **key, **headers_of(config)},
            timeout=config.timeout,
            verify=_verification(config),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
        )
        self._running = asyncio.Semaphore(config.max_concurrent_requests)
        self.asking_info = asyncio.Lock()

    async def post(self, url: str, body: dict[str, Any]) -> bytes:
        """Send JSON, and return the body of an answer of status 200.

        Raises:
            ServerError: There was no answer, or one of another status.
        """
        content = json.dumps(body, ensure_ascii=False).encode()
        async with self._running:
            return await self._ask("POST", url, content)

    async def get(self, url: str) -> bytes:
        """Return the body of an answer of status 200; raises as `post` does."""
        return await self._ask("GET", url)

    async def _ask(self, method: str, url: str, content: bytes | None = None) -> bytes:
        try:
            response = await self._client.request(method, url, content=content)
        except httpx.TimeoutException as error:
            raise ServerError(url, f"no answer in time ({type(error).__name__})") from error
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise ServerError(url, f"no whole answer: {reason}") from error
        if response.status_code != httpx.codes.OK:
            raise ServerError(
                url,
                message_of(response.content) or response.reason_phrase,
                response.status_code,
                _seconds(response.headers.get("retry-after")),
            )
        return response.content


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on the process's background loop, and wait for it.

    The loop starts with the first call and lives as long as the process, so that connections are
    used again. It may be called from any thread, also from one whose own loop is running.
    """
    future = asyncio.run_coroutine_threadsafe(coroutine, _loop())
    try:
        return future.result()
    except BaseException:
        # Somebody who presses Ctrl-C waits for nothing more; after an answer this does nothing.
        future.cancel()
        raise


def _verification(config: ScorerConfig) -> bool | ssl.SSLContext:
    verify = config.verify
    if isinstance(verify, bool):
        return verify
    try:
        return ssl.create_default_context(cafile=verify)
    except OSError as error:
        raise ConfigurationError(
            f"verify is {verify!r}, which is no file of certificates: {error}"
        ) from error


def _seconds(retry_after: str | None) -> float | None:
    """Read `Retry-After`: seconds, or a date (RFC 9110, 10.2.3)."""
    if retry_after is None:
        return None
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        then = email.utils.parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, then.timestamp() - email.utils.localtime().timestamp())


def _loop() -> asyncio.AbstractEventLoop:
    """Return the loop of this process: a fork has none of its parent's threads."""
    with _starting:
        if os.getpid() not in _loops:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="bge-rerank-http", daemon=True).start()
            _loops[os.getpid()] = loop
        return _loops[os.getpid()]
