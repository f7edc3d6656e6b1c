"""`Attempts`: how often the requests of a call may fail, and when the call goes on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

ATTEMPTS = 6
"""The most attempts of a request, and the most consecutive rounds of a call that may fail."""
FIRST_WAIT, LONGEST_WAIT, JITTER = 0.1, 5.0, 0.1
"""Seconds before the second round, the most seconds before a round, and the most random seconds added."""

REFUSALS = 32
"""How many consecutive times a request may be refused for its size. Halving a thousand texts, and then a text of a
million characters, needs 26."""


class Attempts:
    """The failures that the requests of a call share, so that a failing server is not asked for each part.

    A failed request pauses the whole call. The requests sent before the pause are one round, and their
    failures count once. Any answer resets the count.
    """

    def __init__(self, limit: asyncio.Timeout, running: int) -> None:
        """Begin a call.

        Args:
            limit: The time at which the call must end.
            running: The most requests of the call that run at the same time.
        """
        self.most_texts: int | None = None
        """The most texts of a request that refusals allow; `None` before any refusal."""
        self._limit = limit
        self._refusals_left = self._most_refusals = REFUSALS * running
        self._round = 0
        self._failed_rounds = 0
        self._goes_on_at = 0.0

    @asynccontextmanager
    async def turn(self, running: asyncio.Semaphore) -> AsyncIterator[int]:
        """Wait until the call is not paused and a request may run. Yield the number of the round."""
        while True:
            await asyncio.sleep(self._pause())
            async with running:
                if not self._pause():  # another request may have failed meanwhile
                    yield self._round
                    return

    def failed(self, round_: int, retry_after: float | None) -> None:
        """Pause the call after a request of a round failed, for at least `retry_after` seconds."""
        if round_ == self._round:
            self._round += 1
            self._failed_rounds += 1
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (self._failed_rounds - 1))
            self._pause_for(wait + random.uniform(0, JITTER))  # noqa: S311 - needs no secrecy
        self._pause_for(retry_after or 0.0)

    def refused(self, texts: int) -> bool:
        """Count a refusal for size, and return whether a smaller request should be tried."""
        if texts > 1:
            half = (texts + 1) // 2
            self.most_texts = half if self.most_texts is None else min(self.most_texts, half)
        self._refusals_left -= 1
        return self._refusals_left > 0

    def answered(self) -> None:
        """Reset the counts after an answer."""
        self._failed_rounds = 0
        self._refusals_left = self._most_refusals

    def wait(self) -> float | None:
        """Return the seconds until the call goes on; `None` if it must end with its last error."""
        until = self._limit.when()
        left = float("inf") if until is None else until - _now()
        is_over = self._failed_rounds >= ATTEMPTS or self._pause() >= left
        return None if is_over else self._pause()

    def _pause(self) -> float:
        return max(0.0, self._goes_on_at - _now())

    def _pause_for(self, seconds: float) -> None:
        self._goes_on_at = max(self._goes_on_at, _now() + seconds)


def _now() -> float:
    return asyncio.get_running_loop().time()
