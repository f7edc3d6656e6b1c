"""Rerank files of any size, `bge-rerank batch`: `run_batch`. Rerank a table of Arrow: `rerank_table`.

May import `adapters`, `evaluation`, `bge_rerank` (the face) and every room below them.
Start reading in `run.py`.

The packages of the extra `batch` are imported on first use.

>>> from bge_rerank.batch import run_batch
"""

from bge_rerank.batch.run import BatchProgress, BatchResult, run_batch
from bge_rerank.batch.table import rerank_table

__all__ = ["BatchProgress", "BatchResult", "rerank_table", "run_batch"]
