"""`bge-rerank bench`: compare this package with others on the same weights, pairs and cores.

May import `ray` and every room below it.
Start reading in `run.py`.
"""
