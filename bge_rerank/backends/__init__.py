"""What computes logits: one room for each way of running a model, and BM25.

The rooms import `models` and the ground, and `encoder`, which batches for `torch` and `exported`. Start
reading at `bge_rerank/models/registry.py`, which names the class of each backend.
"""
