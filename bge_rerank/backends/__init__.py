"""Backends compute logits. Here: BM25, and the helpers that several backends share.

May import `data`, `display` and every room below them.
Start reading in `bm25.py`.
"""
