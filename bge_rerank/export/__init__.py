"""Making an exported model: one folder that the torch-free backends read.

It imports `backends`, `data`, `models` and the ground. Start reading at `run.py`, then `graph.py`.
"""

from __future__ import annotations

from bge_rerank.export.run import export_model

__all__ = ["export_model"]
