"""What computes logits: one room for each way of running a model, and BM25.

Each room imports `models`, the ground and the files beside this one; `torch` and `exported` also import
`encoder`. Start reading at `bge_rerank/models/registry.py`, which names the class of each backend.
"""
