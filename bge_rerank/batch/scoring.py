"""Score rows: many in one call of bounded size, and each by itself if the call fails for one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bge_rerank.batch.chunks import Chunk, chunks
from bge_rerank.batch.rows import Failure, Row
from bge_rerank.errors import ConfigurationError, NonFiniteScoreError, OutOfMemoryError
from bge_rerank.ranking.reranker import Reranker
from bge_rerank.ranking.result import Ranking

CALL_PAIRS = 2_048
"""The most pairs of a call: as many as an encoder orders by length together."""
CALL_CHARACTERS = 8_000_000
"""The most characters of a call, which limits memory."""


def check_scores_all(reranker: Reranker) -> None:
    """Refuse a reranker that can leave candidates without a score.

    Raises:
        ConfigurationError: It has a latency budget.
    """
    if reranker.options.latency_budget_ms is not None:
        raise ConfigurationError(
            f"latency_budget_ms is {reranker.options.latency_budget_ms}, but a batch scores all "
            "candidates; leave it out"
        )


def scored_together(rows: Iterable[Row | Failure], most_pairs: int = CALL_PAIRS) -> Iterator[Chunk]:
    """Gather the rows that `rankings` should score in one call."""
    return chunks(rows, most_pairs, CALL_CHARACTERS)


def rankings(reranker: Reranker, rows: Sequence[Row]) -> list[Ranking | str]:
    """Return the ranking of each row, or why the row cannot be scored. All rows share a pass.

    Only faults of single rows are found, by halves. Any other error ends the run, because it would
    come back for each row: a server that is away, for example.
    """
    try:
        return list(reranker.rerank_many((row.query, row.passages) for row in rows))
    except (NonFiniteScoreError, OutOfMemoryError) as error:
        if len(rows) == 1:
            return [str(error)]
    half = len(rows) // 2
    return [*rankings(reranker, rows[:half]), *rankings(reranker, rows[half:])]
