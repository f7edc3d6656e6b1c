"""What a call costs besides the forward pass: the adapter, tokenising, and filling batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from bge_rerank.backends.encoder.batches import length_ordered_batches, padded
from bge_rerank.backends.encoder.pairs import PairEncoder
from bge_rerank.backends.encoder.scorer import CPU_BATCH_COST
from bge_rerank.cli.bench.workload import Workload
from bge_rerank.types import Pair

REPETITIONS = 5
BATCH_TOKENS = 2_048


class _NoModel:
    """A scorer that computes nothing."""

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        return [0.0] * len(pairs)


def outside_forward_pass(weights: Path, max_length: int, workload: Workload) -> dict[str, float]:
    """Measure the parts of a call of `BGERerankerCompressor` that do not depend on the backend.

    Args:
        weights: The model's folder, for its tokenizer.
        max_length: The longest sequence in tokens.
        workload: What is ranked.

    Returns:
        Seconds, medians: `"adapter"` (LangChain's documents, checks, order), `"tokenise"` and
        `"batch"` (order by length, padding).
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
        for batch in length_ordered_batches(lengths, BATCH_TOKENS, CPU_BATCH_COST):
            padded([encoded[index] for index in batch], 0)

    return {
        "adapter": _median_seconds(
            lambda: compressor.compress_documents(documents, workload.query)
        ),
        "tokenise": _median_seconds(lambda: encoder.encode(pairs)),
        "batch": _median_seconds(fill_batches),
    }


def token_counts(weights: Path, max_length: int, workload: Workload) -> list[int]:
    """Return the tokens of each pair of a workload, special tokens included."""
    pairs = [(workload.query, document) for document in workload.documents]
    return [len(pair.ids) for pair in _encoder(weights, max_length).encode(pairs)]


def _encoder(weights: Path, max_length: int) -> PairEncoder:
    from tokenizers import Tokenizer

    return PairEncoder(Tokenizer.from_file(str(weights / "tokenizer.json")), max_length)


def _median_seconds(call: Callable[[], object]) -> float:
    seconds = []
    for _ in range(REPETITIONS):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return median(seconds)
