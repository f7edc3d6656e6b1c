"""The demo: retrieve, rerank through both adapters, and measure.

May import `server`, `evaluation.report`, `langchain_bge_rerank`, `llamaindex_bge_rerank` and every
room below them.
Start reading in `run.py`.
"""
