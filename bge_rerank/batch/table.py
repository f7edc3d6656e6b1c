"""`rerank_table`: rerank the rows of an Arrow table. Ray Data and Spark call it for each block of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bge_rerank.batch.rows import Row, checked
from bge_rerank.batch.scoring import check_scores_all, rankings, scored_together
from bge_rerank.batch.settings import added_fields
from bge_rerank.extras import needs_extra
from bge_rerank.ranking.reranker import Reranker
from bge_rerank.ranking.result import Ranking

if TYPE_CHECKING:
    import pyarrow as pa

ERROR = "rerank_error"
"""The column that says why a row could not be scored."""


def rerank_table(reranker: Reranker, table: pa.Table) -> pa.Table:
    """Rerank the rows of an Arrow table. Each row gives one row of the output, in the same order.

    Rows are those of `run_batch`: `id`, `query`, `candidates`, and any other columns, which stay. In the
    output, `candidates` holds those that the reranker keeps, best first, with their scores. A new column
    `rerank_error` is null. A row that cannot be scored has no candidates (null), and `rerank_error` says
    why. Ids may repeat.

    Args:
        reranker: The model with the options of the ranking. `latency_budget_ms` cannot be used.
        table: The rows. It may lack columns; then each row has an error.

    Raises:
        ConfigurationError: The reranker has a latency budget.
        MissingDependencyError: pyarrow is not installed.
        RerankError: As `Reranker.rerank` does, except for faults of single rows.

    >>> import pyarrow as pa
    >>> from bge_rerank import Reranker
    >>> texts = ["Bread rises.", "The Moon raises the tides."]
    >>> rows = [
    ...     {"id": 1, "query": "what causes tides", "candidates": texts},
    ...     {"id": 2, "query": "what causes tides", "candidates": []},
    ... ]
    >>> good, bad = rerank_table(Reranker("mini", top_n=1), pa.Table.from_pylist(rows)).to_pylist()
    >>> good["candidates"][0]["passage"], good["rerank_error"]
    ('The Moon raises the tides.', None)
    >>> bad["candidates"], bad["rerank_error"]
    (None, "'candidates' is []; give one passage or more")
    """
    check_scores_all(reranker)
    with needs_extra("batch", "reranking a table"):
        import pyarrow as pa

    batches = table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]
    return pa.Table.from_batches([_reranked(reranker, batch) for batch in batches])


def _reranked(reranker: Reranker, batch: Any) -> Any:
    import pyarrow as pa

    from bge_rerank.batch.arrow_rows import ranked_candidates, raw_rows

    ranked: list[tuple[Row, Ranking]] = []
    places: list[int | None] = [None] * batch.num_rows
    reasons: list[str | None] = [None] * batch.num_rows
    for chunk in scored_together(map(checked, raw_rows(batch))):
        for failure in chunk.failures:
            reasons[failure.number - 1] = failure.reason
        for row, ranking in zip(chunk.rows, rankings(reranker, chunk.rows), strict=True):
            if isinstance(ranking, str):
                reasons[row.number - 1] = ranking
            else:
                places[row.number - 1] = len(ranked)
                ranked.append((row, ranking))
    candidates = ranked_candidates(batch, ranked, added_fields(reranker))
    scored = _with_column(batch, "candidates", candidates.take(pa.array(places, pa.int64())))
    return _with_column(scored, ERROR, pa.array(reasons, pa.string()))


def _with_column(batch: Any, name: str, column: Any) -> Any:
    """Return a record batch with a column, in the place of the one with that name."""
    place = batch.schema.get_field_index(name)
    if place < 0:
        return batch.append_column(name, column)
    return batch.set_column(place, name, column)
