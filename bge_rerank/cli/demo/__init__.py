"""`bge-rerank demo`: the same search through LangChain and LlamaIndex, with and without reranking.

May import `ray` and every room below it.
Start reading in `run.py`.
"""
