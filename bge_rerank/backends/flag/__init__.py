"""The `flag` and `m3-sparse` backends: models that BAAI's package FlagEmbedding runs.

May import `backends.encoder` and every room below it.
Start reading in `scorer.py`; `guard.py` keeps FlagEmbedding's side effects away.
"""
