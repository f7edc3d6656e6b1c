"""`GatheringScorer`: calls that run at the same time on an event loop share passes over the model."""

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
"""Is called after each pass over the model with its number of pairs and its seconds."""

MAX_PAIRS = 1_024
"""Ten requests of a hundred candidates."""
BATCHES_A_PASS = 4
"""As many batches as this fill a scorer that takes turns: a larger call gains nothing from company."""
CHARACTERS_A_TOKEN = 4
"""Of English text, about."""
UNKNOWN_BATCH_TOKENS = 1_024
"""The token budget of a batch before the weights are loaded."""


class GatheringScorer(Wrapper):
    """A scorer whose concurrent `ascore` calls are answered together.

    A pass over the wrapped scorer starts `wait_ms` after the first call came, or as soon as
    `max_pairs` distinct pairs are there. Each event loop makes one pass at a time; what comes
    meanwhile is gathered for the next. A pair that several calls want is scored once.

    No call is refused: those for which a pass has no room wait, first come first served, and one
    of more than `max_pairs` pairs has a pass of its own. A call that is cancelled before its pass
    starts is left out of it; one that is cancelled later disturbs nobody, and where all of a pass
    are, our backends stop it at the next batch. Where a pass raises
    `ScoringError`, each call is scored by itself, so that it fails for nobody but its cause.

    With a scorer whose calls take turns (`takes_turns`, as those of `torch`, `openvino` and `onnx` do), a
    call of many characters runs beside the passes and not in one, so that it holds up no small one: up to
    `passes.LARGE_AT_ONCE` of them at a time.

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
            scorer: What scores the pairs: awaited where it can be, else in a thread.
            wait_ms: How long the first call waits for others, in milliseconds; 0 gathers nothing,
                and every call is a pass.
            max_pairs: The most distinct pairs of a pass.
            on_pass: Called after each pass over the wrapped scorer, also after a failed one, with
                its number of pairs and its seconds.

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
        # A copy is a scorer of its own; event loops can be neither copied nor pickled.
        return GatheringScorer, (self.scorer, self.wait_ms, self.max_pairs, self.on_pass)

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        """Score as the wrapped scorer does, at once: nothing is gathered."""
        with _timed(self.on_pass, len(pairs)):
            return self.scorer.score(pairs)

    async def ascore(self, pairs: Sequence[Pair], /) -> list[float]:
        """Score together with the other calls of the running event loop.

        Returns:
            The wrapped scorer's logits, one per pair, in input order.

        Raises:
            ScoringError: The wrapped scorer failed on this call's pairs, or gave another number
                of scores than it was asked for.
        """
        if not pairs:
            return []
        one_pass = partial(_pass, self.scorer, self.on_pass)
        if self.wait_ms == 0:
            return list(await one_pass(pairs))
        loop = asyncio.get_running_loop()
        if loop not in self._passes:
            self._passes[loop] = Passes(one_pass, self.wait_ms / 1_000, self.max_pairs)
        return await self._passes[loop].ascore(pairs, self._max_characters())

    def _max_characters(self) -> float:
        """Return how many characters a pass has at most: those of a call with more are no part of one."""
        if not getattr(self.scorer, "takes_turns", False):
            return inf
        tokens = getattr(self.scorer, "max_batch_tokens", None) or UNKNOWN_BATCH_TOKENS
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
