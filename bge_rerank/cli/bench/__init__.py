"""The benchmark of `bge-rerank bench`: this package beside others, on the same weights, pairs and cores.

It may import every room below `cli`. Start with `run.py` for the order of things, and with
`contenders.py` for the table of who takes part.
"""
