"""The `torch` backend: encoder models on CPUs and GPUs.

May import `backends.encoder` and every room below it.
Start reading in `scorer.py`.
"""
