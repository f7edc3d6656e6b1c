"""What all backends that run an encoder share: encode, batch by length, run, put back in order."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil
from typing import Protocol

from bge_rerank.backends.encoder.batches import coarse_length, even_batches, length_ordered_batches
from bge_rerank.backends.encoder.pairs import EncodedPair, Ids
from bge_rerank.backends.encoder.pool import ForwardPool
from bge_rerank.backends.stopping import stop_if_told
from bge_rerank.models.config import ScorerConfig
from bge_rerank.types import Pair, Span

logger = logging.getLogger(__name__)

PAIRS_A_WINDOW = 2_048
"""Pairs encoded and ordered by length together: bounds memory, and is far more than a batch."""

PAIRS_A_PACKED_WINDOW = 128
"""Pairs encoded at a time where sequences are packed, whose order saves nothing: while the device works on
some, the next are encoded."""

CPU_BATCH_COST = 32
"""What a forward pass costs on a CPU besides its tokens, in tokens. With `mini` in OpenVINO any number
from 16 to 64 did as well."""

Runner = Callable[[Sequence[EncodedPair]], list[float]]
"""Gives the logits of a batch, in its order."""


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
    """A scorer made of an encoder of pairs and of one or more runners of batches.

    Pairs are encoded a window ahead of the batches that run.

    Safe to share between threads. Calls take turns batch by batch, so a short call waits for a few
    batches of a long one and not for all of it. One that is awaited and cancelled stops at its next batch.
    A forked child scores as its parent does.

    Attributes:
        max_length: The longest sequence in tokens, query and special tokens included.
        max_batch_tokens: The token budget of a batch.
        precision: In what the model computes: `"float32"`, `"bfloat16"`, `"float16"`, `"int8"`.
    """

    takes_turns = True
    """Calls may run at the same time, and none holds up another for long."""

    def __init__(
        self,
        config: ScorerConfig,
        encoder: Encodes,
        runners: Sequence[Runner],
        precision: str,
        *,
        max_batch_tokens: int,
        batch_cost: int = CPU_BATCH_COST,
        shares: int | None = None,
        coarse_lengths: bool = False,
        packs: bool = False,
    ) -> None:
        """Take what encodes and what runs.

        Args:
            config: Names the model, and may set another `max_batch_tokens`.
            encoder: Makes the sequences.
            runners: One for each device or stream.
            precision: In what the runners compute.
            max_batch_tokens: The backend's own token budget of a batch.
            batch_cost: What a batch costs besides its tokens, in tokens.
            shares: Into how many batches at least a call is divided, so that nothing stands idle:
                one for each runner, unless several keep one device busy.
            coarse_lengths: Whether the runners pad to the few lengths of `coarse_length`.
            packs: Whether the runners pack sequences end to end in place of padding them.
        """
        self.config = config
        self.model_name = config.model_name
        self.max_length = encoder.max_length
        self.max_batch_tokens = config.max_batch_tokens or max_batch_tokens
        self.precision = precision
        self._batch_cost = batch_cost
        self._shares = len(runners) if shares is None else shares
        self._coarse_lengths = coarse_lengths
        self._packs = packs
        self._encoder = encoder
        self._pool = ForwardPool(runners, cost=_tokens)

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        """Return the logit of each pair, in input order.

        Raises:
            OutOfMemoryError: A single pair does not fit into the device's memory.
            ScoringError: The forward pass failed, or whoever awaits the scores was cancelled.
        """
        logits = [0.0] * len(pairs)
        cut: list[int] = []
        under_way: deque[list[int]] = deque()

        def batches() -> Iterator[list[EncodedPair]]:
            start = 0
            for window in self._windows_of(pairs):
                cut.extend(pair.cut for pair in window if pair.cut)
                for batch in self._divided([len(pair.ids) for pair in window]):
                    stop_if_told()
                    under_way.append([start + index for index in batch])
                    yield [window[index] for index in batch]
                start += len(window)

        for scores in self._pool.run(batches()):
            for index, logit in zip(under_way.popleft(), scores, strict=True):
                logits[index] = logit
        if cut:
            logger.warning(
                "%d of %d pairs were longer than max_length=%d: %d tokens were left out",
                len(cut),
                len(pairs),
                self.max_length,
                sum(cut),
            )
        return logits

    def tokens_cut(self, pairs: Sequence[Pair], /) -> list[int]:
        """Return how many tokens of each pair `score` leaves out, in input order."""
        return [pair.cut for pair in self._encoder.encode(pairs)]

    def windows(self, query: str, texts: Sequence[str], tokens: int, /) -> list[list[Span]]:
        """Cut each text into windows that make pairs of at most `tokens` tokens with the query."""
        return self._encoder.windows(query, texts, tokens)

    def _windows_of(self, pairs: Sequence[Pair]) -> Iterator[list[EncodedPair]]:
        """Encode pairs, as many at a time as are divided into batches together."""
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
        budget = min(self.max_batch_tokens, ceil(sum(lengths) / self._shares))
        return length_ordered_batches(lengths, budget, self._batch_cost)


def _tokens(batch: Sequence[EncodedPair]) -> int:
    return sum(len(pair.ids) for pair in batch)
