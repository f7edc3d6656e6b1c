"""Rerank on a Ray cluster: `rerank` for datasets of Ray Data, and `write_reranked`, which can be resumed.

`serving.py` has the server as an application of Ray Serve.

May import `server`, `batch`, `evaluation.report`, `langchain_bge_rerank`, `llamaindex_bge_rerank` and
every room below them.
Start reading in `dataset.py`.

Ray is imported on first use. Import this before Ray starts, so that Ray sends no usage reports.

>>> from bge_rerank.ray import rerank, write_reranked
"""

from bge_rerank.ray.dataset import rerank
from bge_rerank.ray.output import WriteResult, write_reranked
from bge_rerank.ray.silent import ray_reports_nothing

__all__ = ["WriteResult", "rerank", "write_reranked"]

ray_reports_nothing()
