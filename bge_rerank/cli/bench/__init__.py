"""`bge-rerank bench`: compare this package with others on the same weights, pairs and cores.

May import `server`, `batch`, `evaluation.report`, `langchain_bge_rerank`, `llamaindex_bge_rerank` and
every room below them.
Start reading in `run.py`.
"""
