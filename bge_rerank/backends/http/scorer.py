"""`HttpScorer`: the backends `tei`, `vllm`, `infinity`, `llamacpp`, `cohere` and `jina`, which ask a server."""

from __future__ import annotations

from collections.abc import Sequence

from bge_rerank.backends.http.answers import (
    OtherServerError,
    UnusableAnswerError,
    logit_of,
    read_scores,
)
from bge_rerank.backends.http.attempts import Attempts
from bge_rerank.backends.http.dialects import Ask
from bge_rerank.backends.http.server_info import ServerInfo
from bge_rerank.backends.http.servers import Request, Servers, together
from bge_rerank.backends.http.session import Session, run
from bge_rerank.backends.http.windows import ServerWindows
from bge_rerank.errors import ServerError
from bge_rerank.models.config import ScorerConfig
from bge_rerank.types import Pair, Span

SHORTEST_CUT = 16
"""Texts are not truncated to fewer characters, because such a short text cannot make a request too large."""


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
        self._servers = Servers(config)
        self._windows = ServerWindows(self._servers, config.max_length)

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
        self._servers.session()  # raises configuration errors before anything is sent
        return await self._servers.by_deadline(lambda attempts: self._score(pairs, attempts))

    def windows(self, query: str, texts: Sequence[str], tokens: int, /) -> list[list[Span]]:
        """Cut each text into windows that make pairs of at most `tokens` tokens with the query.

        `ServerWindows` says by whose tokens.

        Raises:
            ServerError: The server did not answer, or its answer makes no windows.
        """
        return self._windows.cut(query, texts, tokens)

    async def _score(self, pairs: Sequence[Pair], attempts: Attempts) -> list[float]:
        places: dict[str, list[int]] = {}
        for place, (query, _) in enumerate(pairs):
            places.setdefault(query, []).append(place)
        requests = [
            self._servers.parts(
                Request(query, [pairs[place][1] for place in its], attempts, self._ask)
            )
            for query, its in places.items()
        ]
        logits = [0.0] * len(pairs)
        for its, scored in zip(places.values(), await together(requests), strict=True):
            for place, logit in zip(its, scored, strict=True):
                logits[place] = logit
        return logits

    async def _ask(self, base_url: str, request: Request[float]) -> list[float]:
        url = base_url + self._servers.dialect.path
        info = await self._servers.info_of(base_url)
        session = self._servers.session()
        content = await self._post(session, url, request, info)
        try:
            scores = read_scores(content, len(request.texts), self._servers.dialect, session.mask)
            return [logit_of(score, info.scale or self._servers.dialect.scale) for score in scores]
        except OtherServerError as error:
            remedy = "for `bge-rerank serve` and Text Embeddings Inference pass backend='tei'"
            raise ServerError(url, f"{error}; {remedy}", status=200) from error
        except UnusableAnswerError as error:
            remedy = f"check that it is a {self.config.backend} server that reranks"
            raise ServerError(url, f"{error}; {remedy}", status=200) from error

    async def _post(
        self, session: Session, url: str, request: Request[float], info: ServerInfo
    ) -> bytes:
        """Send texts. A single text is truncated until the server accepts it."""
        texts = request.texts
        model_name, max_length = self.config.model_name, self.config.max_length
        while True:
            body = self._servers.dialect.body(
                Ask(model_name, request.query, texts, max_length, info)
            )
            try:
                return await session.post(url, body, len(texts))
            except ServerError as error:
                half = texts[0][: len(texts[0]) // 2]
                is_single = len(texts) == 1 and len(half) >= SHORTEST_CUT
                if not is_single or not self._servers.may_try_with_less(request, error):
                    raise
                self._servers.warn(
                    "refused for its size",
                    "%s; a text of %d characters is truncated to %d",
                    *(error, len(texts[0]), len(half)),
                )
                texts = [half]
