"""`HttpScorer`: the backends `tei`, `vllm`, `infinity`, `llamacpp`, `cohere` and `jina`, which ask a server."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from bge_rerank.backends.http.addresses import Addresses, base_urls
from bge_rerank.backends.http.answers import (
    OtherServerError,
    UnusableAnswerError,
    logit_of,
    parsed,
    read_scores,
)
from bge_rerank.backends.http.attempts import ATTEMPTS, Attempts
from bge_rerank.backends.http.dialects import DIALECTS, Ask
from bge_rerank.backends.http.parts import split
from bge_rerank.backends.http.server_info import ServerInfo
from bge_rerank.backends.http.session import Session, run
from bge_rerank.errors import ServerError
from bge_rerank.logs import Warnings
from bge_rerank.models.config import ScorerConfig, key_of
from bge_rerank.types import Pair, Span
from bge_rerank.windows import (
    SHORTEST_WINDOW,
    UNKNOWN_MAX_LENGTH,
    estimated_offsets,
    fitting_windows,
)

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

TEMPORARY = frozenset({429, 502, 503, 504})
"""Statuses after which a request is tried again."""
TOO_LARGE = 413
SHORTEST_CUT = 16
"""Texts are not truncated to fewer characters, because such a short text cannot make a request too large."""
ENVELOPE_BYTES = 1_024
"""The most bytes of a body besides the query and the texts."""


class HttpScorer:
    """A scorer that asks a server, checks each answer, and tries again after temporary failures.

    The texts of a query are sent in parts that the server accepts, several at the same time. Servers that send
    sigmoids instead of logits are listed in `bge_rerank.backends.http.dialects`; their inverse is the logit.

    A failure that leads to another attempt, and a truncated text, are logged at WARNING level once for each
    scorer and cause. Repeats are logged at INFO level.
    """

    def __init__(self, config: ScorerConfig) -> None:
        """Prepare to ask; nothing is sent.

        Raises:
            ConfigurationError: `base_url` is missing or wrong.
        """
        self.config = config
        self.model_name = config.model_name
        self._dialect = DIALECTS[config.backend]
        self._addresses = Addresses(base_urls(config))
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, Session] = WeakKeyDictionary()
        self._info: dict[str, ServerInfo] = {}
        self._warn = Warnings(logger)

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        """Return the logit of each pair, in input order.

        Raises:
            ServerError: No server sent a usable answer within `deadline` seconds.
        """
        return run(self.ascore(pairs)) if pairs else []

    async def ascore(self, pairs: Sequence[Pair], /) -> list[float]:
        """Return what `score` returns, without blocking the event loop. Cancelling it cancels its requests."""
        if not pairs:
            return []
        self._session()  # raises configuration errors before anything is sent
        return await self._by_deadline(lambda attempts: self._score(pairs, attempts))

    async def _by_deadline(self, call: Callable[[Attempts], Coroutine[Any, Any, Answer]]) -> Answer:
        deadline = self.config.deadline
        try:
            async with asyncio.timeout(deadline) as limit:
                return await call(Attempts(limit, self.config.max_concurrent_requests))
        except TimeoutError as error:
            url = self._addresses.next() + self._dialect.path
            raise ServerError(
                url,
                f"no answer within deadline={deadline} seconds; raise the deadline, or send fewer texts",
            ) from error

    def windows(self, query: str, texts: Sequence[str], tokens: int, /) -> list[list[Span]]:
        """Cut each text into windows by estimated tokens, because the server's tokenizer is not available.

        The longest pair is the option `max_length`, else the length that TEI states, else 512 tokens.

        Raises:
            ServerError: TEI did not answer, or states a length that is too short for windows.
        """
        longest = self.config.max_length or run(self._told_max_length()) or UNKNOWN_MAX_LENGTH
        return fitting_windows(query, texts, estimated_offsets, min(tokens, longest))

    async def _told_max_length(self) -> int | None:
        await self._by_deadline(lambda attempts: self._max_texts(_Request("", [], attempts)))
        told = {url: info.max_length for url, info in self._info.items() if info.max_length}
        if not told:
            return None
        url = min(told, key=told.__getitem__)
        if told[url] < SHORTEST_WINDOW:
            raise ServerError(
                url + self._dialect.path,
                f"the server states a longest pair of {told[url]} tokens, but windows need {SHORTEST_WINDOW}; "
                "pass max_length, or long_documents='truncate'",
            )
        return told[url]

    async def _score(self, pairs: Sequence[Pair], attempts: Attempts) -> list[float]:
        places: dict[str, list[int]] = {}
        for place, (query, _) in enumerate(pairs):
            places.setdefault(query, []).append(place)
        requests = [
            self._parts(_Request(query, [pairs[place][1] for place in its], attempts))
            for query, its in places.items()
        ]
        logits = [0.0] * len(pairs)
        for its, scored in zip(places.values(), await _together(requests), strict=True):
            for place, logit in zip(its, scored, strict=True):
                logits[place] = logit
        return logits

    async def _parts(self, request: _Request) -> list[float]:
        """Score a query's texts in parts that the server's limits allow."""
        max_texts = await self._max_texts(request)
        max_bytes = self._dialect.max_bytes
        if max_bytes is not None:
            max_bytes = max(1, max_bytes - ENVELOPE_BYTES - 2 * len(request.query.encode()))
        texts = [self._short_enough(text) for text in request.texts]
        parts = split(texts, max_texts, max_bytes)
        asked = [self._part(replace(request, texts=[texts[i] for i in part])) for part in parts]
        return [logit for part in await _together(asked) for logit in part]

    async def _part(self, request: _Request) -> list[float]:
        """Score a part. If it is too large for the server, score its halves."""
        texts, most = request.texts, request.attempts.most_texts
        if most is None or len(texts) <= most:
            try:
                return await self._tried(request, lambda base_url: self._ask(base_url, request))
            except ServerError as error:
                if len(texts) == 1 or not self._may_try_with_less(request, error):
                    raise
        middle = len(texts) // 2
        halves = [replace(request, texts=half) for half in (texts[:middle], texts[middle:])]
        return [logit for half in await _together(map(self._part, halves)) for logit in half]

    async def _ask(self, base_url: str, request: _Request) -> list[float]:
        url = base_url + self._dialect.path
        info = await self._info_of(base_url)
        session = self._session()
        content = await self._post(session, url, request, info)
        try:
            scores = read_scores(content, len(request.texts), self._dialect, session.mask)
            return [logit_of(score, info.scale or self._dialect.scale) for score in scores]
        except OtherServerError as error:
            remedy = "for `bge-rerank serve` and Text Embeddings Inference pass backend='tei'"
            raise ServerError(url, f"{error}; {remedy}", status=200) from error
        except UnusableAnswerError as error:
            remedy = f"check that it is a {self.config.backend} server that reranks"
            raise ServerError(url, f"{error}; {remedy}", status=200) from error

    async def _post(self, session: Session, url: str, request: _Request, info: ServerInfo) -> bytes:
        """Send texts. A single text is truncated until the server accepts it."""
        texts = request.texts
        model_name, max_length = self.config.model_name, self.config.max_length
        while True:
            body = self._dialect.body(Ask(model_name, request.query, texts, max_length, info))
            try:
                return await session.post(url, body, len(texts))
            except ServerError as error:
                half = texts[0][: len(texts[0]) // 2]
                is_single = len(texts) == 1 and len(half) >= SHORTEST_CUT
                if not is_single or not self._may_try_with_less(request, error):
                    raise
                self._warn(
                    "refused for its size",
                    "%s; a text of %d characters is truncated to %d",
                    *(error, len(texts[0]), len(half)),
                )
                texts = [half]

    async def _tried(
        self, request: _Request, ask: Callable[[str], Coroutine[Any, Any, Answer]]
    ) -> Answer:
        """Ask one server after the other, until one answers or another attempt makes no sense."""
        call = request.attempts
        for attempts_left in reversed(range(ATTEMPTS)):
            async with call.turn(self._session().running) as round_:
                base_url = self._addresses.next()
                try:
                    answer = await ask(base_url)
                except ServerError as error:
                    if not _is_temporary(error):
                        raise
                    self._addresses.failed(base_url)
                    call.failed(round_, error.retry_after)
                    wait = call.wait()
                    if wait is None or not attempts_left:
                        raise
                    self._warn(
                        f"{base_url} failed with {error.status}",
                        "%s; trying again in %.1f s, for up to %g s in all",
                        *(error, wait, self.config.deadline),
                    )
                    continue
                self._addresses.answered(base_url)
                call.answered()
                return answer
        raise AssertionError  # the last attempt raises its own error

    async def _max_texts(self, request: _Request) -> int | None:
        """Return the most texts of a request: what the servers state, else the default of their kind."""
        if self._dialect.info_path is not None and not self._info:
            await self._tried(request, self._info_of)
        told = [info.max_texts for info in self._info.values() if info.max_texts is not None]
        return min(told, default=self._dialect.max_texts)

    async def _info_of(self, base_url: str) -> ServerInfo:
        """Return a server's description of itself, which is requested once. Some servers have none.

        Raises:
            ServerError: The server cannot be reached, or is not ready.
        """
        path = self._dialect.info_path
        if path is None:
            return ServerInfo()
        session = self._session()
        async with session.asking_info:
            if base_url not in self._info:
                self._info[base_url] = await self._read_info(session, base_url + path)
        return self._info[base_url]

    async def _read_info(self, session: Session, url: str) -> ServerInfo:
        try:
            answer = parsed(await session.get(url))
        except ServerError as error:
            if _is_temporary(error):
                raise
            reason = str(error)
        except ValueError as error:
            reason = f"{url}: {error}"
        else:
            if isinstance(answer, dict):
                return self._dialect.read_info(answer)
            reason = f"{url}: the answer is not an object"
        logger.info("a server does not describe itself, so defaults are used: %s", reason)
        return ServerInfo()

    def _session(self) -> Session:
        loop = asyncio.get_running_loop()
        if loop not in self._sessions:
            self._sessions[loop] = Session(self.config, self._api_key())
        return self._sessions[loop]

    def _api_key(self) -> str | None:
        key = key_of(self.config)
        if key is not None:
            return key
        variable = self._dialect.key_variable
        return None if variable is None else os.environ.get(variable)

    def _may_try_with_less(self, request: _Request, error: ServerError) -> bool:
        """Return whether to try a failed request again with less text."""
        message = error.reason.lower()
        is_too_large = error.status == TOO_LARGE or (
            error.status is not None and any(part in message for part in self._dialect.too_large)
        )
        return is_too_large and request.attempts.refused(len(request.texts))

    def _short_enough(self, text: str) -> str:
        longest = self._dialect.max_characters
        if longest is None or len(text) <= longest:
            return text
        self._warn(
            "longer than the server's kind takes",
            "a text of %d characters is truncated to %d, the most that %s servers accept",
            *(len(text), longest, self.config.backend),
        )
        return text[:longest]


@dataclass(frozen=True, slots=True)
class _Request:
    """A query, its texts, and the attempts that the requests of a call share."""

    query: str
    texts: Sequence[str]
    attempts: Attempts


async def _together(
    coroutines: Iterable[Coroutine[Any, Any, list[float]]],
) -> list[list[float]]:
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


def _is_temporary(error: Exception) -> bool:
    if not isinstance(error, ServerError):
        return False
    if error.status is None:
        return not isinstance(_first_cause(error), ssl.SSLCertVerificationError)
    return error.status in TEMPORARY


def _first_cause(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error
