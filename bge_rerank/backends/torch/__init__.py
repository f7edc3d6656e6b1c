"""The `torch` backend: an encoder's own weights on CPUs and accelerators.

It imports `backends.encoder`, `models` and the ground. Start reading at `scorer.py`, then `encoder.py`.
"""
