"""`Servers`: ask the servers of a configuration, in parts, with several attempts, by the deadline."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from bge_rerank.backends.http.addresses import Addresses, base_urls
from bge_rerank.backends.http.answers import parsed
from bge_rerank.backends.http.attempts import ATTEMPTS, Attempts
from bge_rerank.backends.http.dialects import DIALECTS
from bge_rerank.backends.http.failures import TOO_LARGE, is_temporary
from bge_rerank.backends.http.parts import split
from bge_rerank.backends.http.server_info import ServerInfo
from bge_rerank.backends.http.session import Session
from bge_rerank.errors import ServerError
from bge_rerank.logs import Warnings
from bge_rerank.models.config import ScorerConfig, key_of

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Item = TypeVar("Item")

ENVELOPE_BYTES = 1_024
"""The most bytes of a body besides the query and the texts."""


@dataclass(frozen=True, slots=True)
class Request(Generic[Item]):
    """A question about a query's texts.

    Attributes:
        query: The query; empty if the question is about the texts alone.
        texts: The texts.
        attempts: The attempts that the requests of a call share.
        ask: Asks the server at an address, and returns an item for each text.
        part_bytes: The most bytes of the texts of a request; `None` is what the server takes.
    """

    query: str
    texts: Sequence[str]
    attempts: Attempts
    ask: Callable[[str, Request[Item]], Coroutine[Any, Any, list[Item]]]
    part_bytes: int | None = None


class Servers:
    """The servers of a configuration. They take turns, and a call goes on with another if one fails for now.

    Attributes:
        config: The configuration.
        dialect: The wire format of the servers.
        info: The description of each server that was asked for it, by its address.
        warn: Logs each cause at WARNING level once.
    """

    def __init__(self, config: ScorerConfig) -> None:
        """Prepare to ask; nothing is sent.

        Raises:
            ConfigurationError: `base_url` is missing or wrong.
        """
        self.config = config
        self.dialect = DIALECTS[config.backend]
        self.info: dict[str, ServerInfo] = {}
        self.warn = Warnings(logger)
        self._addresses = Addresses(base_urls(config))
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, Session] = WeakKeyDictionary()

    async def by_deadline(self, call: Callable[[Attempts], Coroutine[Any, Any, Answer]]) -> Answer:
        """Run a call, which shares its attempts among its requests.

        Raises:
            ServerError: The call did not end within the deadline.
        """
        deadline = self.config.deadline
        try:
            async with asyncio.timeout(deadline) as limit:
                return await call(Attempts(limit, self.config.max_concurrent_requests))
        except TimeoutError as error:
            url = self._addresses.next() + self.dialect.path
            raise ServerError(
                url,
                f"no answer within deadline={deadline} seconds; raise the deadline, or send fewer texts",
            ) from error

    async def parts(self, request: Request[Item]) -> list[Item]:
        """Ask about a query's texts in parts that the server's limits allow."""
        max_texts = await self.max_texts(request.attempts)
        max_bytes = request.part_bytes
        if self.dialect.max_bytes is not None:
            left = self.dialect.max_bytes - ENVELOPE_BYTES - 2 * len(request.query.encode())
            max_bytes = max(1, left if max_bytes is None else min(left, max_bytes))
        texts = [self._short_enough(text) for text in request.texts]
        parts = split(texts, max_texts, max_bytes)
        asked = [self._part(replace(request, texts=[texts[i] for i in part])) for part in parts]
        return [item for part in await together(asked) for item in part]

    async def _part(self, request: Request[Item]) -> list[Item]:
        """Ask about a part. If it is too large for the server, ask about its halves."""
        texts, most = request.texts, request.attempts.most_texts
        if most is None or len(texts) <= most:
            try:
                return await self._tried(request.attempts, lambda url: request.ask(url, request))
            except ServerError as error:
                if len(texts) == 1 or not self.may_try_with_less(request, error):
                    raise
        middle = len(texts) // 2
        halves = [replace(request, texts=half) for half in (texts[:middle], texts[middle:])]
        return [item for half in await together(map(self._part, halves)) for item in half]

    async def _tried(
        self, call: Attempts, ask: Callable[[str], Coroutine[Any, Any, Answer]]
    ) -> Answer:
        """Ask one server after the other, until one answers or another attempt makes no sense."""
        for attempts_left in reversed(range(ATTEMPTS)):
            async with call.turn(self.session().running) as round_:
                base_url = self._addresses.next()
                try:
                    answer = await ask(base_url)
                except ServerError as error:
                    if not is_temporary(error):
                        raise
                    self._addresses.failed(base_url)
                    call.failed(round_, error.retry_after)
                    wait = call.wait()
                    if wait is None or not attempts_left:
                        raise
                    self.warn(
                        f"{base_url} failed with {error.status}",
                        "%s; trying again in %.1f s, for up to %g s in all",
                        *(error, wait, self.config.deadline),
                    )
                    continue
                self._addresses.answered(base_url)
                call.answered()
                return answer
        raise AssertionError  # the last attempt raises its own error

    async def max_texts(self, attempts: Attempts) -> int | None:
        """Return the most texts of a request: what the servers state, else the default of their kind."""
        if self.dialect.info_path is not None and not self.info:
            await self._tried(attempts, self.info_of)
        told = [info.max_texts for info in self.info.values() if info.max_texts is not None]
        return min(told, default=self.dialect.max_texts)

    async def info_of(self, base_url: str) -> ServerInfo:
        """Return a server's description of itself, which is requested once. Some servers have none.

        Raises:
            ServerError: The server cannot be reached, or is not ready.
        """
        path = self.dialect.info_path
        if path is None:
            return ServerInfo()
        session = self.session()
        async with session.asking_info:
            if base_url not in self.info:
                self.info[base_url] = await self._read_info(session, base_url + path)
        return self.info[base_url]

    async def _read_info(self, session: Session, url: str) -> ServerInfo:
        try:
            answer = parsed(await session.get(url))
        except ServerError as error:
            if is_temporary(error):
                raise
            reason = str(error)
        except ValueError as error:
            reason = f"{url}: {error}"
        else:
            if isinstance(answer, dict):
                return self.dialect.read_info(answer)
            reason = f"{url}: the answer is not an object"
        logger.info("a server does not describe itself, so defaults are used: %s", reason)
        return ServerInfo()

    def session(self) -> Session:
        """Return the HTTP client of the running event loop.

        Raises:
            ConfigurationError: `verify` is not a file of certificates.
        """
        loop = asyncio.get_running_loop()
        if loop not in self._sessions:
            self._sessions[loop] = Session(self.config, self._api_key())
        return self._sessions[loop]

    def _api_key(self) -> str | None:
        key = key_of(self.config)
        if key is not None:
            return key
        variable = self.dialect.key_variable
        return None if variable is None else os.environ.get(variable)

    def may_try_with_less(self, request: Request[Any], error: ServerError) -> bool:
        """Return whether to try a failed request again with less text."""
        message = error.reason.lower()
        is_too_large = error.status == TOO_LARGE or (
            error.status is not None and any(part in message for part in self.dialect.too_large)
        )
        return is_too_large and request.attempts.refused(len(request.texts))

    def _short_enough(self, text: str) -> str:
        longest = self.dialect.max_characters
        if longest is None or len(text) <= longest:
            return text
        self.warn(
            "longer than the server's kind takes",
            "a text of %d characters is truncated to %d, the most that %s servers accept",
            *(len(text), longest, self.config.backend),
        )
        return text[:longest]


async def together(coroutines: Iterable[Coroutine[Any, Any, Answer]]) -> list[Answer]:
    """Run coroutines at the same time. The first error cancels the others, and is raised itself."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except BaseExceptionGroup as errors:
        failure: BaseException = errors
    else:
        return [task.result() for task in tasks]
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    raise failure  # here, because in `except` it would keep the group as its context
