"""The `torch` backend: encoder models on CPUs and accelerators, with torch.

May import `backends.encoder` and every room below it.
Start reading in `scorer.py`, then `encoder.py`.
"""
