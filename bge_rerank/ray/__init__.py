"""Work on Ray: the server as an application of Ray Serve.

May import `server`, `batch`, `evaluation.report`, `langchain_bge_rerank`, `llamaindex_bge_rerank` and every room below them.
Start reading in `serving.py`.
"""
