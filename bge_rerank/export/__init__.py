"""Make an exported model: one folder that the torch-free backends read.

May import `backends.flag` and every room below it.
Start reading in `run.py`.
"""

from __future__ import annotations

from bge_rerank.export.run import export_model

__all__ = ["export_model"]
