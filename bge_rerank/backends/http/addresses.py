"""Where a configuration's servers are, and `Addresses`: which of several to ask next."""

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


def base_urls(config: ScorerConfig) -> list[str]:
    """Return where the servers of a configuration are, without a slash or a version at the end.

    Raises:
        ConfigurationError: None is given and the backend has no usual one, or one is no URL, or
            holds credentials.

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
            f"backend {config.backend!r} asks a server; give its base_url, such as "
            "'http://localhost:8080'"
        )
    checked = [_checked(url) for url in urls or [str(dialect.public_url)]]
    has_version = re.match(r"/v\d+/", dialect.path)
    return [re.sub(r"/v\d+$", "", url) for url in checked] if has_version else checked


class Addresses:
    """Base URLs in turn; a failing one is left out for a while.

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
        """Keep the URLs, the first to be asked first; `clock` gives seconds."""
        self._base_urls = list(base_urls)
        self._clock = clock
        self._back_at = dict.fromkeys(base_urls, 0.0)
        self._turn = 0
        self._lock = ForkableLock()

    def next(self) -> str:
        """Return the one whose turn it is; where all fail, the one that comes back first."""
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
        """Leave one out for a while."""
        with self._lock:
            self._back_at[base_url] = self._clock() + LEFT_OUT_SECONDS

    def answered(self, base_url: str) -> None:
        """Take one back in."""
        with self._lock:
            self._back_at[base_url] = 0.0


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None or parts.query:
        raise ConfigurationError(
            f"the base_url of {parts.hostname} holds credentials or a query, which would show in "
            "messages; give api_key or headers instead"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            f"base_url is {url!r}, which is no URL of a server; give one such as "
            "'http://localhost:8080'"
        )
    return url.rstrip("/")
