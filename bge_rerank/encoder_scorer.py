"""What all backends that run an encoder share: encode, batch by length, run, put back in order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from math import ceil

from bge_rerank.batching import length_ordered_batches
from bge_rerank.config import ScorerConfig
from bge_rerank.errors import ConfigurationError
from bge_rerank.forward_pool import ForwardPool
from bge_rerank.padding import coarse_length
from bge_rerank.pair_encoding import EncodedPair, PairEncoder
from bge_rerank.types import Pair, Span

logger = logging.getLogger(__name__)

PAIRS_A_WINDOW = 2_048
"""Pairs encoded and ordered by length together: bounds memory, and is far more than a batch."""

CPU_BATCH_COST = 32
"""What a forward pass costs on a CPU besides its tokens, in tokens. With `mini` in OpenVINO any number
from 16 to 64 did as well."""

Runner = Callable[[Sequence[EncodedPair]], list[float]]
"""Gives the logits of a batch, in its order."""


class EncoderScorer:
    """A scorer made of an encoder of pairs and of one or more runners of batches.

    Safe to share between threads. Calls take turns batch by batch, so a short call waits for a few
    batches of a long one and not for all of it.

    Attributes:
        max_length: The longest sequence in tokens, query and special tokens included.
        max_batch_tokens: The token budget of a batch.
        precision: In what the model computes: `"float32"`, `"bfloat16"`, `"float16"`, `"int8"`.
    """

    def __init__(
        self,
        encoder: PairEncoder,
        runners: Sequence[Runner],
        max_batch_tokens: int,
        batch_cost: int,
        precision: str,
        *,
        coarse_lengths: bool = False,
    ) -> None:
        """Take what encodes and what runs.

        Args:
            encoder: Makes the sequences.
            runners: One for each device or stream.
            max_batch_tokens: The token budget of a batch.
            batch_cost: What a batch costs besides its tokens, in tokens.
            precision: In what the runners compute.
            coarse_lengths: Whether the runners pad to the few lengths of `coarse_length`.
        """
        self.max_length = encoder.max_length
        self.max_batch_tokens = max_batch_tokens
        self.precision = precision
        self._batch_cost = batch_cost
        self._coarse_lengths = coarse_lengths
        self._encoder = encoder
        self._pool = ForwardPool(runners)

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        """Return the logit of each pair, in input order.

        Raises:
            OutOfMemoryError: A single pair does not fit into the device's memory.
            ScoringError: The forward pass failed.
        """
        logits: list[float] = []
        cut: list[int] = []
        for start in range(0, len(pairs), PAIRS_A_WINDOW):
            window = self._encoder.encode(pairs[start : start + PAIRS_A_WINDOW])
            cut += [pair.cut for pair in window if pair.cut]
            logits += self._score(window)
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

    def _score(self, window: Sequence[EncodedPair]) -> list[float]:
        lengths = [len(pair.ids) for pair in window]
        if self._coarse_lengths:
            lengths = [coarse_length(length, self.max_length) for length in lengths]
        # A small call is shared out too, so that no runner stands idle.
        share = ceil(sum(lengths) / self._pool.size)
        budget = min(self.max_batch_tokens, share)
        batches = length_ordered_batches(lengths, budget, self._batch_cost)
        results = self._pool.run([window[index] for index in batch] for batch in batches)
        logits = [0.0] * len(window)
        for batch, scores in zip(batches, results, strict=True):
            for index, logit in zip(batch, scores, strict=True):
                logits[index] = logit
        return logits


def chosen_max_batch_tokens(config: ScorerConfig, default: int) -> int:
    """Return the token budget asked for, or the backend's own.

    Raises:
        ConfigurationError: It is below 1.
    """
    if config.max_batch_tokens is None:
        return default
    if config.max_batch_tokens < 1:
        raise ConfigurationError(f"max_batch_tokens is {config.max_batch_tokens}; give 1 or more")
    return config.max_batch_tokens


def check_threads(threads: int | None) -> None:
    """Refuse a number of threads that nothing can run on.

    Raises:
        ConfigurationError: It is below 1.
    """
    if threads is not None and threads < 1:
        raise ConfigurationError(f"threads is {threads}; give 1 or more, or None for all")
