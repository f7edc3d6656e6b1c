"""BGE reranking for LlamaIndex: a node postprocessor and a retriever.

May import `adapters`, `evaluation`, `bge_rerank` (the face) and every room below them.
Start reading in `postprocessor.py`.
"""

from llamaindex_bge_rerank.first_stage import first_stage
from llamaindex_bge_rerank.postprocessor import BGERerankerPostprocessor
from llamaindex_bge_rerank.retriever import BGERerankerRetriever

__all__ = ["BGERerankerPostprocessor", "BGERerankerRetriever", "first_stage"]
