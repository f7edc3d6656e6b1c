"""`bge-rerank demo`: the same search through LangChain and LlamaIndex, with and without reranking.

May import `server`, `batch`, `evaluation.report`, `langchain_bge_rerank`, `llamaindex_bge_rerank` and
every room below them.
Start reading in `run.py`.
"""
