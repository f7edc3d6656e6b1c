"""The backends, which compute logits: one room for each way of running a model, and BM25.

May import `data`, `display` and every room below them.
Start reading in `bm25.py`, the smallest; `models/registry.py` names the class of each backend.
"""
