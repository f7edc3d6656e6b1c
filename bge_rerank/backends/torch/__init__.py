"""The `torch` backend: an encoder's own weights on CPUs and accelerators.

May import `backends.encoder` and every room below it.
Start reading in `scorer.py`, then `encoder.py`.
"""
