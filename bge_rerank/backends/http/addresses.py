"""The addresses of a configuration's servers, and `Addresses`: which of several servers to ask next."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from bge_rerank.backends.forks import ForkableLock
from bge_rerank.backends.http.dialects import DIALECTS
from bge_rerank.errors import ConfigurationError
from bge_rerank.models.config import ScorerConfig

LEFT_OUT_SECONDS = 10.0
"""How long a failing server is skipped."""


def base_urls(config: ScorerConfig) -> list[str]:
    """Return the servers' URLs, without a slash or a version at the end.

    Raises:
        ConfigurationError: `base_url` is missing and the backend has no public service, or a URL is invalid or
            contains credentials.

    >>> base_urls(ScorerConfig(backend="cohere"))
    ['https://api.cohere.com']
    >>> base_urls(ScorerConfig(backend="vllm", base_url="http://localhost:8000/v1/"))
    ['http://localhost:8000']
    """
    given = config.base_url
    urls = [given] if isinstance(given, str) else list(given or ())
    dialect = DIALECTS[config.backend]
    if not urls and dialect.public_url is None:
        raise ConfigurationError(
            f"backend {config.backend!r} asks a server, but base_url is missing; pass its address, such as "
            "base_url='http://localhost:8080'"
        )
    checked = [_checked(url) for url in urls or [str(dialect.public_url)]]
    has_version = re.match(r"/v\d+/", dialect.path)
    return [re.sub(r"/v\d+$", "", url) for url in checked] if has_version else checked


class Addresses:
    """The base URLs of servers, which take turns. A failing server is skipped for ten seconds.

    >>> addresses = Addresses(["http://a", "http://b"])
    >>> [addresses.next() for _ in range(3)]
    ['http://a', 'http://b', 'http://a']
    >>> addresses.failed("http://b")
    >>> [addresses.next() for _ in range(2)]
    ['http://a', 'http://a']
    """

    def __init__(
        self, base_urls: Sequence[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start with the first URL. `clock` returns seconds."""
        self._base_urls = list(base_urls)
        self._clock = clock
        self._back_at = dict.fromkeys(base_urls, 0.0)
        self._turn = 0
        self._lock = ForkableLock()

    def next(self) -> str:
        """Return the next server; if all fail, the one whose ten seconds end first."""
        now = self._clock()
        with self._lock:
            order = self._base_urls[self._turn :] + self._base_urls[: self._turn]
            chosen = next(
                (url for url in order if self._back_at[url] <= now),
                min(order, key=lambda url: self._back_at[url]),
            )
            self._turn = (self._base_urls.index(chosen) + 1) % len(self._base_urls)
            return chosen

    def failed(self, base_url: str) -> None:
        """Skip a server for ten seconds."""
        with self._lock:
            self._back_at[base_url] = self._clock() + LEFT_OUT_SECONDS

    def answered(self, base_url: str) -> None:
        """Stop skipping a server."""
        with self._lock:
            self._back_at[base_url] = 0.0


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None or parts.query:
        raise ConfigurationError(
            f"the base_url of {parts.hostname} contains credentials or a query, which messages would show; "
            "pass api_key or headers instead"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            f"base_url is {url!r}, which is not a server's URL; pass one such as 'http://localhost:8080'"
        )
    return url.rstrip("/")
