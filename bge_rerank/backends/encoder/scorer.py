"""`EncoderScorer`: encode pairs, batch them by length, run the batches, and restore the order."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil
from typing import Protocol

from bge_rerank.backends.encoder.batches import coarse_length, even_batches, length_ordered_batches
from bge_rerank.backends.encoder.pairs import EncodedPair, Ids
from bge_rerank.backends.encoder.pool import ForwardPool
from bge_rerank.backends.encoder.tokens import TokensOf
from bge_rerank.backends.machine import BatchSizes
from bge_rerank.backends.stopping import stop_if_told
from bge_rerank.logs import Warnings
from bge_rerank.models.config import ScorerConfig
from bge_rerank.types import Pair, Span

logger = logging.getLogger(__name__)

PAIRS_A_WINDOW = 2_048
"""Pairs that are encoded and ordered by length together. The limit bounds memory, and is far larger than a batch."""

PAIRS_A_PACKED_WINDOW = 128
"""Pairs that are encoded together if sequences are packed. Their order saves nothing, and the next pairs are encoded
while the device computes."""

Runner = Callable[[Sequence[EncodedPair]], list[float]]
"""A function that returns the logits of a batch, in its order."""


class Encodes(Protocol):
    """From pairs to sequences of token ids: `PairEncoder`, or a model's own way."""

    @property
    def max_length(self) -> int:
        """The longest sequence in tokens, special tokens included."""
        ...

    def encode(
        self, pairs: Sequence[Pair], known: Mapping[str, Ids] | None = None
    ) -> list[EncodedPair]:
        """Encode each pair, in input order, given what `query_ids` returned."""
        ...

    def query_ids(
        self, pairs: Sequence[Pair], known: Mapping[str, Ids] | None = None
    ) -> dict[str, Ids]:
        """Return the ids of the queries that need not be tokenised again."""
        ...

    def windows(self, query: str, texts: Sequence[str], tokens: int) -> list[list[Span]]:
        """Cut each text into windows that make pairs of at most `tokens` tokens with the query."""
        ...


class EncoderScorer:
    """A scorer that combines an encoder of pairs with one or more runners of batches.

    Pairs are encoded one window ahead of the running batches.

    Threads can share a scorer. Their calls take turns batch by batch, so a short call waits for only a few batches of
    a long one. An async call that is cancelled stops at its next batch. A forked child can score too.

    Truncated pairs are logged at WARNING level in the first call that has some, and at INFO level afterwards.

    Attributes:
        config: The configuration.
        model_name: The model's name in the configuration.
        max_length: The longest pair in tokens, including special tokens.
        max_batch_tokens: The token budget of a batch.
        precision: The precision of numbers: `"float32"`, `"bfloat16"`, `"float16"` or `"int8"`.
    """

    takes_turns = True
    """Several calls can run at the same time, and none blocks another for long."""

    def __init__(
        self,
        config: ScorerConfig,
        encoder: Encodes,
        runners: Sequence[Runner],
        precision: str,
        *,
        sizes: BatchSizes,
        shares: int | None = None,
        coarse_lengths: bool = False,
        packs: bool = False,
    ) -> None:
        """Combine an encoder and runners.

        Args:
            config: Names the model, and may set another `max_batch_tokens`.
            encoder: Encodes pairs.
            runners: One for each device or group of threads.
            precision: The precision of the runners.
            sizes: The backend's default token budget of a batch, and the fixed cost of a batch.
            shares: The least number of batches of a call, so that no runner is idle. `None` is one for each
                runner; pass fewer if several runners share a device.
            coarse_lengths: Whether the runners pad to the lengths of `coarse_length`.
            packs: Whether the runners pack sequences instead of padding them.
        """
        self.config = config
        self.model_name = config.model_name
        self.max_length = encoder.max_length
        self.max_batch_tokens = config.max_batch_tokens or sizes.max_tokens
        self.precision = precision
        self._batch_cost = sizes.cost
        self._shares = len(runners) if shares is None else shares
        self._coarse_lengths = coarse_lengths
        self._packs = packs
        self._encoder = encoder
        self._warn = Warnings(logger)
        self._pool = ForwardPool(runners, cost=_tokens)
        logger.info(
            "%s computes in %s, with at most %s tokens a batch, %s; a batch costs as much as %s tokens",
            *(self.model_name, precision, f"{self.max_batch_tokens:,}"),
            "as max_batch_tokens says" if config.max_batch_tokens else sizes.reason,
            f"{sizes.cost:,}",
        )

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        """Return the logit of each pair, in input order.

        Raises:
            OutOfMemoryError: A single pair does not fit into the device's memory.
            ScoringError: The forward pass failed, or the call was cancelled.
        """
        logits = [0.0] * len(pairs)
        cut: list[int] = []
        running: deque[list[int]] = deque()

        def batches() -> Iterator[list[EncodedPair]]:
            start = 0
            for window in self._windows_of(pairs):
                cut.extend(pair.cut for pair in window if pair.cut)
                for batch in self._divided([len(pair.ids) for pair in window]):
                    stop_if_told()
                    running.append([start + index for index in batch])
                    yield [window[index] for index in batch]
                start += len(window)

        for scores in self._pool.run(batches()):
            for index, logit in zip(running.popleft(), scores, strict=True):
                logits[index] = logit
        if cut:
            self._warn(
                "truncated",
                "%s longer than max_length=%s, so %s not read; to read the rest, raise max_length if the model "
                "allows, or use long_documents='window'",
                f"1 pair of {len(pairs):,} is"
                if len(cut) == 1
                else f"{len(cut):,} pairs of {len(pairs):,} are",
                f"{self.max_length:,}",
                "1 token was" if sum(cut) == 1 else f"{sum(cut):,} tokens were",
            )
        return logits

    def tokens_cut(self, pairs: Sequence[Pair], /) -> list[int]:
        """Return the number of truncated tokens of each pair, in input order."""
        return [pair.cut for pair in self._encoder.encode(pairs)]

    @property
    def tokens_of(self) -> TokensOf | None:
        """A function that returns the tokens of texts; `None` if the model reads a pair through a template."""
        return getattr(self._encoder, "tokens_of", None)

    def windows(self, query: str, texts: Sequence[str], tokens: int, /) -> list[list[Span]]:
        """Cut each text into windows that make pairs of at most `tokens` tokens with the query."""
        return self._encoder.windows(query, texts, tokens)

    def _windows_of(self, pairs: Sequence[Pair]) -> Iterator[list[EncodedPair]]:
        """Encode pairs, and yield those that are divided into batches together."""
        size = PAIRS_A_PACKED_WINDOW if self._packs else PAIRS_A_WINDOW
        window: list[EncodedPair] = []
        queries: dict[str, Ids] = {}
        for start in range(0, len(pairs), size):
            some = pairs[start : start + size]
            queries = self._encoder.query_ids(some, queries)
            window += self._encoder.encode(some, queries)
            tokens = sum(len(pair.ids) for pair in window)
            if not self._packs or tokens >= self.max_batch_tokens * self._shares:
                yield window
                window = []
        if window:
            yield window

    def _divided(self, lengths: Sequence[int]) -> list[list[int]]:
        """Return the batches of a window."""
        if self._packs:
            return even_batches(lengths, self.max_batch_tokens, self._shares)
        if self._coarse_lengths:
            lengths = [coarse_length(length, self.max_length) for length in lengths]
        budget = self.max_batch_tokens
        if self._shares > 1:
            budget = min(budget, ceil(sum(lengths) / self._shares) + max(lengths) // 2)
        return length_ordered_batches(lengths, budget, self._batch_cost)


def _tokens(batch: Sequence[EncodedPair]) -> int:
    return sum(len(pair.ids) for pair in batch)
