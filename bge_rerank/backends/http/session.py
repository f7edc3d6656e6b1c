"""`Session`, an HTTP client for one event loop, and `run`, which sync callers use."""

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
"""The most bytes that are read of an error or a server's description, and of an answer besides its scores."""
SCORE_BYTES = 1_024
"""The most bytes of an answer for each text."""
ECHO = 4
"""The most bytes of an answer for each byte of the request. Some servers repeat the texts, and write a letter of
two bytes as `\\u00e9`."""
NO_DETAIL = ("", "All connection attempts failed")
"""Messages of the HTTP library that do not say why it cannot connect."""

_loops: dict[int, asyncio.AbstractEventLoop] = {}
_starting = ForkableLock()


class Session:
    """An HTTP client that reuses connections and limits how many requests run at the same time.

    Proxies come from the environment, as with other HTTP clients.
    """

    def __init__(self, config: ScorerConfig, api_key: str | None) -> None:
        """Open a client; nothing is sent.

        Raises:
            ConfigurationError: `verify` is not a file of certificates.
        """
        key = {} if api_key is None else {"authorization": f"Bearer {api_key}"}
        headers = headers_of(config)
        self.mask = masker([*key.values(), *headers.values()])
        """Masks every secret in a server's text."""
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
        """Held while a server is asked for its description."""

    async def post(self, url: str, body: dict[str, Any], count: int, echo: int = ECHO) -> bytes:
        """Send JSON with `count` texts, and return the body of the answer.

        Raises:
            ServerError: No answer came, its status is not 200, or it is longer than `count` scores and `echo` bytes
                for each byte of the request.
        """
        content = json.dumps(body, ensure_ascii=False).encode()
        most = SMALL_ANSWER_BYTES + SCORE_BYTES * count + echo * len(content)
        return await self._ask("POST", url, most, content)

    async def get(self, url: str) -> bytes:
        """Return the body of an answer. It raises the same errors as `post`."""
        return await self._ask("GET", url, SMALL_ANSWER_BYTES)

    async def _ask(self, method: str, url: str, most: int, content: bytes | None = None) -> bytes:
        try:
            # The client's own timeout restarts with each byte.
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream(
                    method, url, content=content, headers=NOT_COMPRESSED
                ) as response,
            ):
                return await self._body(url, response, most)
        except (httpx.TimeoutException, TimeoutError) as error:
            reason = f"no answer within timeout={self._timeout:g} seconds ({type(error).__name__})"
            failure = self._failure(url, reason, error)
        except httpx.ConnectError as error:
            failure = self._failure(url, _not_connected(error), error)
        except httpx.HTTPError as error:
            reason = f"the answer is incomplete: {str(error) or type(error).__name__}"
            failure = self._failure(url, reason, error)
        raise failure  # here, because in `except` it would keep the error as its context

    async def _body(self, url: str, response: httpx.Response, most: int) -> bytes:
        """Return the body of an answer of status 200. Compressed bodies are refused: they may expand greatly."""
        status, encoding = response.status_code, response.headers.get("content-encoding")
        if status != httpx.codes.OK:
            body = b"" if encoding else await _read(response, SMALL_ANSWER_BYTES)
            message = message_of(body, self.mask) or in_a_line(response.reason_phrase, self.mask)
            retry_after = seconds_to_wait(response.headers.get("retry-after"))
            raise ServerError(url, message, status, retry_after)
        if encoding not in (None, "", "identity"):
            shown = in_a_line(encoding, self.mask)
            raise ServerError(
                url, f"the answer is compressed ({shown}), though not requested", status
            )
        body = await _read(response, most)
        if len(body) > most:
            reason = f"the answer is longer than {most:,} bytes, the limit for this request"
            raise ServerError(url, reason, status)
        return body

    def _failure(self, url: str, reason: str, error: Exception) -> ServerError:
        """Return our error. Its cause is the library's error, unless that one contains a secret."""
        failure = ServerError(url, in_a_line(reason, self.mask))
        if self.mask(reason) == reason:
            failure.__cause__ = error
        return failure


class _NoCookies(CookieJar):
    """A jar that keeps no cookies, because a server could send unlimited numbers of them."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Do nothing."""


async def _read(response: httpx.Response, most: int) -> bytes:
    """Return a body. Reading stops after `most` bytes."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > most:
            break
    return bytes(body)


def _not_connected(error: httpx.ConnectError) -> str:
    """Return why a connection failed, and what to do."""
    reason = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return f"cannot connect ({reason}); pass verify=FILE with the certificates to trust"
    detail = "" if reason in NO_DETAIL else f" ({reason})"
    return f"cannot connect{detail}; check that the server is running and that base_url is right"


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on the process's background loop, and wait for it.

    The loop starts with the first call and runs as long as the process, so that connections are reused. Any
    thread may call this function, even one whose own loop is running.

    >>> async def answer():
    ...     return 42
    >>> run(answer())
    42
    """
    future = asyncio.run_coroutine_threadsafe(coroutine, _loop())
    try:
        return future.result()
    except BaseException:
        # After Ctrl-C nobody waits for the coroutine. After an answer this does nothing.
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
            f"verify is {verify!r}, which is not a file of certificates: {error}"
        ) from error


def _loop() -> asyncio.AbstractEventLoop:
    """Return this process's loop. A fork has none of its parent's threads, so it starts its own."""
    with _starting:
        if os.getpid() not in _loops:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="bge-rerank-http", daemon=True).start()
            _loops[os.getpid()] = loop
        return _loops[os.getpid()]
