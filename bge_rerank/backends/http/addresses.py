"""`Addresses`: several servers in turn, a failing one left out for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

LEFT_OUT_SECONDS = 10.0


class Addresses:
    """Base URLs, round-robin.

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
        self._lock = threading.Lock()

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
