"""The `sentence-transformers` backend: rerankers of other makers, run by sentence-transformers' `CrossEncoder`.

May import `backends.encoder` and every room below it.
Start reading in `scorer.py`; `checks.py` refuses models whose scores would mean nothing.
"""
