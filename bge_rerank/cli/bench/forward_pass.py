"""The operations of a forward pass, and the time that a call spends outside it."""

from __future__ import annotations

import timeit
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bge_rerank.backends.encoder.batches import length_ordered_batches, padded
from bge_rerank.backends.encoder.pairs import PairEncoder
from bge_rerank.cli.bench.workload import Workload
from bge_rerank.types import Pair

REPETITIONS = 5
BATCH_TOKENS = 2_048
BATCH_COST = 32


def token_counts(weights: Path, max_length: int, workload: Workload) -> list[int]:
    """Return the number of tokens of each pair of a workload, special tokens included."""
    pairs = [(workload.query, document) for document in workload.documents]
    return [len(pair.ids) for pair in _encoder(weights, max_length).encode(pairs)]


def forward_flops(config: Mapping[str, Any], lengths: Iterable[int]) -> int:
    """Return the operations of an encoder's matrix products over sequences without padding.

    A multiplication and its addition count as two operations. The count is the same for every
    contender. It excludes padding. It includes all tokens of the last layer, although the head reads
    only one and some backends skip the others.

    Args:
        config: The model's `config.json`: `hidden_size`, `intermediate_size`, `num_hidden_layers`.
        lengths: The tokens of each sequence.

    >>> config = {"hidden_size": 4, "intermediate_size": 8, "num_hidden_layers": 1}
    >>> forward_flops(config, [1]), forward_flops(config, [2, 1])
    (312, 928)
    """
    hidden, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
    projections = 4 * hidden * hidden
    feed_forward = 2 * hidden * int(config["intermediate_size"])
    head = hidden * hidden + hidden

    def products(length: int) -> int:
        # The products of queries and keys, and the weighted sums of the values.
        attention = 2 * length * hidden
        return layers * length * (projections + feed_forward + attention) + head

    return 2 * sum(map(products, lengths))


def outside_forward_pass(weights: Path, max_length: int, workload: Workload) -> dict[str, float]:
    """Time the parts of a call of `BGERerankerCompressor` that do not depend on the backend.

    Returns:
        Median seconds of `"adapter"` (LangChain documents, checks and sorting), `"tokenise"`, and
        `"batch"` (ordering by length, and padding).
    """
    from langchain_core.documents import Document

    from langchain_bge_rerank import BGERerankerCompressor

    compressor = BGERerankerCompressor(scorer=_NoModel(), top_n=None)
    documents = [Document(document) for document in workload.documents]
    pairs = [(workload.query, document) for document in workload.documents]
    encoder = _encoder(weights, max_length)
    encoded = encoder.encode(pairs)

    def fill_batches() -> None:
        lengths = [len(pair.ids) for pair in encoded]
        for batch in length_ordered_batches(lengths, BATCH_TOKENS, BATCH_COST):
            padded([encoded[index] for index in batch], 0)

    parts: dict[str, Callable[[], object]] = {
        "adapter": lambda: compressor.compress_documents(documents, workload.query),
        "tokenise": lambda: encoder.encode(pairs),
        "batch": fill_batches,
    }
    return {
        name: median(timeit.repeat(part, number=1, repeat=REPETITIONS))
        for name, part in parts.items()
    }


class _NoModel:
    """A scorer that computes nothing."""

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        return [0.0] * len(pairs)


def _encoder(weights: Path, max_length: int) -> PairEncoder:
    from tokenizers import Tokenizer

    return PairEncoder(Tokenizer.from_file(str(weights / "tokenizer.json")), max_length)
