"""`GatheringScorer`: concurrent calls on an event loop share passes over the model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import inf
from time import perf_counter
from typing import Any
from weakref import WeakKeyDictionary

from bge_rerank.models.options import MILLISECONDS_OR_OFF, whole_from
from bge_rerank.scoring.asking import ascore_with
from bge_rerank.scoring.identity import Wrapper
from bge_rerank.scoring.passes import Passes
from bge_rerank.types import Pair, Scorer

OnPass = Callable[[int, float], None]
"""A function that receives the number of pairs and the seconds of each pass."""

MAX_PAIRS = 1_024
"""The most distinct pairs of a pass: ten requests of a hundred candidates."""
BATCHES_A_PASS = 4
"""The most batches of a pass, if calls of the scorer take turns. A larger call gains nothing by sharing."""
CHARACTERS_A_TOKEN = 4
"""The approximate number of characters of a token in English text."""
UNKNOWN_BATCH_TOKENS = 1_024
"""The token budget of a batch before the weights are loaded."""


class GatheringScorer(Wrapper):
    """A scorer that answers concurrent `ascore` calls together.

    A pass starts `wait_ms` after its first call, or when `max_pairs` distinct pairs are waiting. Each event
    loop runs one pass at a time and gathers further calls for the next one. A pair of several calls is
    scored once.

    No call is refused. Calls that do not fit into a pass wait in order of arrival. A call of more than
    `max_pairs` pairs has a pass of its own. If a pass raises `ScoringError`, each of its calls is scored
    alone, so that only the faulty call fails.

    A call that is cancelled before its pass starts is not scored. If all calls of a running pass are
    cancelled, our backends stop at the next batch.

    Scorers with `takes_turns` (those of `torch`, `openvino` and `onnx`) run several calls at the same time.
    With them, a large call runs beside the passes, so that small calls need not wait for it. At most
    `passes.LARGE_AT_ONCE` large calls run at the same time.

    >>> class Lengths:
    ...     def score(self, pairs, /):
    ...         print(f"{len(pairs)} pairs")
    ...         return [len(passage) for _, passage in pairs]
    >>> async def two_calls(scorer):
    ...     calls = [scorer.ascore([("q", "a")]), scorer.ascore([("q", "a"), ("q", "bb")])]
    ...     return await asyncio.gather(*calls)
    >>> asyncio.run(two_calls(GatheringScorer(Lengths())))
    2 pairs
    [[1.0], [1.0, 2.0]]
    """

    def __init__(
        self,
        scorer: Scorer,
        wait_ms: float = 2.0,
        max_pairs: int = MAX_PAIRS,
        on_pass: OnPass | None = None,
    ) -> None:
        """Wrap a scorer.

        Args:
            scorer: The scorer of the pairs. It is awaited if it has `ascore`, else it runs in a thread.
            wait_ms: How long the first call waits for others, in milliseconds. 0 gives each call a
                pass of its own.
            max_pairs: The most distinct pairs of a pass.
            on_pass: Called after each pass, even a failed one, with its number of pairs and its seconds.

        Raises:
            ConfigurationError: `wait_ms` is negative or not finite, or `max_pairs` is below 1.
        """
        MILLISECONDS_OR_OFF.refuse("wait_ms", wait_ms)
        whole_from(1).refuse("max_pairs", max_pairs)
        super().__init__(scorer)
        self.wait_ms = wait_ms
        self.max_pairs = max_pairs
        self.on_pass = on_pass
        self._passes: WeakKeyDictionary[asyncio.AbstractEventLoop, Passes] = WeakKeyDictionary()

    def __reduce__(self) -> tuple[Any, ...]:
        # Event loops can be neither copied nor pickled, so a copy starts without queues.
        return GatheringScorer, (self.scorer, self.wait_ms, self.max_pairs, self.on_pass)

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        """Score at once with the wrapped scorer, without gathering."""
        with _timed(self.on_pass, len(pairs)):
            return self.scorer.score(pairs)

    async def ascore(self, pairs: Sequence[Pair], /) -> list[float]:
        """Score together with the other calls of the running event loop.

        Returns:
            The wrapped scorer's logits, one for each pair, in input order.

        Raises:
            ScoringError: The wrapped scorer failed on this call's pairs, or returned a wrong number of
                scores.
        """
        if not pairs:
            return []
        one_pass = partial(_pass, self.scorer, self.on_pass)
        if self.wait_ms == 0:
            return list(await one_pass(pairs))
        loop = asyncio.get_running_loop()
        if loop not in self._passes:
            self._passes[loop] = Passes(one_pass, self.wait_ms / 1_000, self.max_pairs)
        return await self._passes[loop].ascore(pairs, max_characters(self.scorer))


def max_characters(scorer: Scorer) -> float:
    """Return the most characters of a pass over a scorer. Larger calls run beside the passes.

    Scorers whose calls do not take turns have no limit.
    """
    if not getattr(scorer, "takes_turns", False):
        return inf
    tokens = getattr(scorer, "max_batch_tokens", None) or UNKNOWN_BATCH_TOKENS
    return float(BATCHES_A_PASS * CHARACTERS_A_TOKEN * tokens)


async def _pass(
    scorer: Scorer, on_pass: OnPass | None, pairs: Sequence[Pair], /
) -> Sequence[float]:
    with _timed(on_pass, len(pairs)):
        return await ascore_with(scorer, pairs)


@contextmanager
def _timed(on_pass: OnPass | None, pairs: int) -> Iterator[None]:
    started = perf_counter()
    try:
        yield
    finally:
        if on_pass is not None:
            on_pass(pairs, perf_counter() - started)
