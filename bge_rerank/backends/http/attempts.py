"""`Attempts`: how often the requests of one call may fail, and when they go on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

ATTEMPTS = 6
"""Of a request, and rounds of a call that may fail one after the other."""
FIRST_WAIT, LONGEST_WAIT, JITTER = 0.1, 5.0, 0.1
"""Seconds before the second round, before any, and what is added by chance."""

REFUSALS = 32
"""How often a request may be refused for its size, one after the other: to halve a thousand texts, and then
a text of a million characters, takes 26."""


class Attempts:
    """What all requests of one call share, so that a server that fails is not asked for each part.

    A request that fails pauses the whole call. Those that were sent before the pause are one round,
    and count as one failure. Any answer sets the count back to none.
    """

    def __init__(self, limit: asyncio.Timeout, running: int) -> None:
        """Begin a call that has to be over by a time, and of which so many requests run at once."""
        self.most_texts: int | None = None
        """The most texts of a request, as far as refusals told."""
        self._limit = limit
        self._refusals_left = self._most_refusals = REFUSALS * running
        self._round = 0
        self._failed_rounds = 0
        self._goes_on_at = 0.0

    @asynccontextmanager
    async def turn(self, running: asyncio.Semaphore) -> AsyncIterator[int]:
        """Wait until the call is not paused and a request may run; yield the number of its round."""
        while True:
            await asyncio.sleep(self._pause())
            async with running:
                if not self._pause():  # a request may have failed while this one waited
                    yield self._round
                    return

    def failed(self, round_: int, retry_after: float | None) -> None:
        """Pause the call after a request of a round failed, for `retry_after` seconds at least."""
        if round_ == self._round:
            self._round += 1
            self._failed_rounds += 1
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (self._failed_rounds - 1))
            self._pause_for(wait + random.uniform(0, JITTER))  # noqa: S311 - no secret hangs on it
        self._pause_for(retry_after or 0.0)

    def refused(self, texts: int) -> bool:
        """Note that a request was too large; say whether smaller ones are worth a try."""
        if texts > 1:
            half = (texts + 1) // 2
            self.most_texts = half if self.most_texts is None else min(self.most_texts, half)
        self._refusals_left -= 1
        return self._refusals_left > 0

    def answered(self) -> None:
        """Count from the start again."""
        self._failed_rounds = 0
        self._refusals_left = self._most_refusals

    def wait(self) -> float | bool:
        """Return the seconds until the call goes on; `False` if it must end with its last error."""
        until = self._limit.when()
        left = float("inf") if until is None else until - _now()
        is_over = self._failed_rounds >= ATTEMPTS or self._pause() >= left
        return False if is_over else self._pause()

    def _pause(self) -> float:
        return max(0.0, self._goes_on_at - _now())

    def _pause_for(self, seconds: float) -> None:
        self._goes_on_at = max(self._goes_on_at, _now() + seconds)


def _now() -> float:
    return asyncio.get_running_loop().time()
