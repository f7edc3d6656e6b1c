"""`ServerWindows`: cut long texts by the tokens of a server's model."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

from bge_rerank.backends.http.answers import UnusableAnswerError
from bge_rerank.backends.http.attempts import Attempts
from bge_rerank.backends.http.failures import UNABLE
from bge_rerank.backends.http.local_tokenizer import local_encoder
from bge_rerank.backends.http.parts import json_bytes
from bge_rerank.backends.http.servers import Request, Servers
from bge_rerank.backends.http.session import run
from bge_rerank.backends.http.tokens import (
    PART_BYTES,
    TEXT_BYTES,
    TOKEN_BYTES,
    read_spans,
    tokenize_body,
)
from bge_rerank.errors import ServerError
from bge_rerank.types import Span
from bge_rerank.windows import (
    SHORTEST_WINDOW,
    UNKNOWN_MAX_LENGTH,
    estimated_offsets,
    fitting_windows,
)

if TYPE_CHECKING:
    from bge_rerank.backends.encoder.pairs import PairEncoder

logger = logging.getLogger(__name__)


class ServerWindows:
    """Windows for a model behind a server.

    TEI and `bge-rerank serve` tell their tokens, so the windows are those of the same model without a server. For
    other servers, the tokenizer of `model_name` counts if its file is on this machine. Else tokens are estimated, and
    the first text that is cut is logged at WARNING level.
    """

    def __init__(self, servers: Servers, max_length: int | None) -> None:
        """Cut for these servers; nothing is sent. With `None` as `max_length`, the servers state the longest pair."""
        self._servers = servers
        self._given_max_length = max_length

    def cut(self, query: str, texts: Sequence[str], tokens: int) -> list[list[Span]]:
        """Cut each text into windows that make pairs of at most `tokens` tokens with the query.

        The longest pair is the option `max_length`, else the length that the server states, else 512 tokens.

        Raises:
            ServerError: A server did not answer, sent spans that are not in their texts, or states a length that is
                too short for windows.
            InvalidInputError: The query leaves too little room for windows.
        """
        told, spans = run(self._servers.by_deadline(partial(self._told, [query, *texts])))
        longest = min(tokens, told)
        if spans is not None:
            return fitting_windows(query, texts, lambda _: spans, longest)
        if self._local_encoder is not None:
            return self._local_encoder.windows(query, texts, longest)
        cut = fitting_windows(query, texts, estimated_offsets, longest)
        if any(len(windows) > 1 for windows in cut):
            self._servers.warn(
                "estimated tokens",
                "windows are cut by estimated tokens, because the tokens of the %s server's model are not known here; "
                "scores of long texts may differ from those without a server",
                self._servers.config.backend,
            )
        return cut

    @cached_property
    def _local_encoder(self) -> PairEncoder | None:
        return local_encoder(self._servers.config)

    async def _told(
        self, texts: Sequence[str], attempts: Attempts
    ) -> tuple[int, list[list[Span]] | None]:
        """Return the longest pair, and the spans of the texts' tokens; `None` if the server does not tell them."""
        max_length = await self._max_length(attempts)
        largest = max(map(json_bytes, texts))
        if self._servers.dialect.tokens_path is None or largest > TEXT_BYTES:
            return max_length, None
        try:
            request = Request("", texts, attempts, self._ask_tokens, PART_BYTES)
            return max_length, await self._servers.parts(request)
        except ServerError as error:
            if error.status not in UNABLE:
                raise
            logger.info("a server does not tell its tokens: %s", error)
            return max_length, None

    async def _max_length(self, attempts: Attempts) -> int:
        if self._given_max_length is not None:
            return self._given_max_length
        await self._servers.max_texts(attempts)  # asks the server to describe itself
        told = {url: info.max_length for url, info in self._servers.info.items() if info.max_length}
        if not told:
            return UNKNOWN_MAX_LENGTH
        url = min(told, key=told.__getitem__)
        if told[url] < SHORTEST_WINDOW:
            raise ServerError(
                url + self._servers.dialect.path,
                f"the server states a longest pair of {told[url]} tokens, but windows need {SHORTEST_WINDOW}; "
                "pass max_length, or long_documents='truncate'",
            )
        return told[url]

    async def _ask_tokens(self, base_url: str, request: Request[list[Span]]) -> list[list[Span]]:
        url = f"{base_url}{self._servers.dialect.tokens_path}"
        session, texts = self._servers.session(), request.texts
        content = await session.post(url, tokenize_body(texts), len(texts), TOKEN_BYTES)
        try:  # in a thread, because an answer can have megabytes
            return await asyncio.to_thread(read_spans, content, texts, session.mask)
        except UnusableAnswerError as error:
            remedy = f"check that it is a {self._servers.config.backend} server, or use long_documents='truncate'"
            raise ServerError(url, f"{error}; {remedy}", status=200) from error
