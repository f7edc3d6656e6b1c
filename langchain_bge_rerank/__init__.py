"""BGE reranking for LangChain: a document compressor, retrievers and a cross-encoder.

May import `adapters`, `evaluation`, `bge_rerank` (the face) and every room below them.
Start reading in `compressor.py`.
"""

from langchain_bge_rerank.compressor import BGERerankerCompressor
from langchain_bge_rerank.cross_encoder import BGECrossEncoder
from langchain_bge_rerank.first_stage import first_stage
from langchain_bge_rerank.retriever import BGERerankerRetriever
from langchain_bge_rerank.scored_retriever import ScoredRetriever

__all__ = [
    "BGECrossEncoder",
    "BGERerankerCompressor",
    "BGERerankerRetriever",
    "ScoredRetriever",
    "first_stage",
]
