"""`Session`: one HTTP client on one event loop; and `run`, the loop that sync callers share."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import threading
from collections.abc import Coroutine
from http.cookiejar import CookieJar
from typing import Any, TypeVar

import httpx

from bge_rerank.backends.forks import ForkableLock
from bge_rerank.backends.http.answers import in_a_line, message_of, seconds_to_wait
from bge_rerank.backends.http.masking import masker
from bge_rerank.errors import ConfigurationError, ServerError
from bge_rerank.models.config import ScorerConfig, headers_of

Result = TypeVar("Result")

HEADERS = {"content-type": "application/json", "accept": "application/json"}
NOT_COMPRESSED = {"accept-encoding": "identity"}

SMALL_ANSWER_BYTES = 65_536
"""The most that is read of an error, of what a server says of itself, and of scores besides the rest."""
SCORE_BYTES = 1_024
"""The most that an answer may need for each text."""
ECHO = 4
"""The most bytes that an answer may need for each byte of the request: some servers repeat the texts, and
write a letter of two bytes as `\\u00e9`."""

_loops: dict[int, asyncio.AbstractEventLoop] = {}
_starting = ForkableLock()


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
        headers = headers_of(config)
        self.mask = masker([*key.values(), *headers.values()])
        """Takes every secret out of what a server sent."""
        self._timeout = config.timeout
        self._client = httpx.AsyncClient(
            headers={**HEADERS, **key, **headers},
            cookies=_NoCookies(),
            timeout=config.timeout,
            verify=_verification(config),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
        )
        self.running = asyncio.Semaphore(config.max_concurrent_requests)
        """Held by each request."""
        self.asking_info = asyncio.Lock()

    async def post(self, url: str, body: dict[str, Any], count: int) -> bytes:
        """Send JSON with a number of texts, and return the body of an answer of status 200.

        Raises:
            ServerError: There was no answer, or one of another status, or it is longer than the
                scores of so many texts can be.
        """
        content = json.dumps(body, ensure_ascii=False).encode()
        most = SMALL_ANSWER_BYTES + SCORE_BYTES * count + ECHO * len(content)
        return await self._ask("POST", url, most, content)

    async def get(self, url: str) -> bytes:
        """Return the body of an answer of status 200; raises as `post` does."""
        return await self._ask("GET", url, SMALL_ANSWER_BYTES)

    async def _ask(self, method: str, url: str, most: int, content: bytes | None = None) -> bytes:
        try:
            # The client's own timeout starts anew with each byte that comes.
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream(
                    method, url, content=content, headers=NOT_COMPRESSED
                ) as response,
            ):
                return await self._body(url, response, most)
        except (httpx.TimeoutException, TimeoutError) as error:
            failure = self._failure(url, f"no answer in time ({type(error).__name__})", error)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            failure = self._failure(url, f"no whole answer: {reason}", error)
        raise failure  # here, because within `except` it would hold the error as its context

    async def _body(self, url: str, response: httpx.Response, most: int) -> bytes:
        """Return the body of an answer of status 200, not decompressed: a little can become a lot."""
        status, encoding = response.status_code, response.headers.get("content-encoding")
        if status != httpx.codes.OK:
            body = b"" if encoding else await _read(response, SMALL_ANSWER_BYTES)
            message = message_of(body, self.mask) or in_a_line(response.reason_phrase, self.mask)
            retry_after = seconds_to_wait(response.headers.get("retry-after"))
            raise ServerError(url, message, status, retry_after)
        if encoding not in (None, "", "identity"):
            shown = in_a_line(encoding, self.mask)
            raise ServerError(url, f"the answer is compressed ({shown}), unasked for", status)
        body = await _read(response, most)
        if len(body) > most:
            reason = f"the answer is longer than {most:,} bytes, more than this request can need"
            raise ServerError(url, reason, status)
        return body

    def _failure(self, url: str, reason: str, error: Exception) -> ServerError:
        """Return an error of ours, caused by another unless that one repeats a secret."""
        failure = ServerError(url, in_a_line(reason, self.mask))
        if self.mask(reason) == reason:
            failure.__cause__ = error
        return failure


class _NoCookies(CookieJar):
    """Keeps nothing: a server could send ever more."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Leave them where they are."""


async def _read(response: httpx.Response, most: int) -> bytes:
    """Return a body; of one that is longer than `most` bytes, somewhat more than these."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > most:
            break
    return bytes(body)


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


def _loop() -> asyncio.AbstractEventLoop:
    """Return the loop of this process: a fork has none of its parent's threads."""
    with _starting:
        if os.getpid() not in _loops:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="bge-rerank-http", daemon=True).start()
            _loops[os.getpid()] = loop
        return _loops[os.getpid()]
