"""What the encoder backends share: token ids, batches, and a pool that computes them.

May import `backends` and every room below it.
Start reading in `scorer.py`.
"""
