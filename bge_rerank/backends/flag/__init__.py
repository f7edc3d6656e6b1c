"""The `flag` and `m3-sparse` backends: models run by FlagEmbedding, BAAI's own package.

They import `models` and the ground. Start reading at `scorer.py`; `guard.py` keeps FlagEmbedding's side
effects away.
"""
