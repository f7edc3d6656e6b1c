"""BGE reranking for LlamaIndex: a node postprocessor on the shared core."""

from llamaindex_bge_rerank.first_stage import first_stage
from llamaindex_bge_rerank.postprocessor import BGERerankerPostprocessor

__all__ = ["BGERerankerPostprocessor", "first_stage"]
