"""Export a model to a folder that the ONNX and OpenVINO backends read without torch.

May import `backends.torch`, `backends.exported`, `backends.flag`, `backends.http`,
`backends.sentence_transformers` and every room below them.
Start reading in `run.py`, then `graph.py`.
"""

from __future__ import annotations

from bge_rerank.export.run import export_model

__all__ = ["export_model"]
