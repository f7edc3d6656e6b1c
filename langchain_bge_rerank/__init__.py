"""BGE reranking for LangChain: a document compressor and a cross-encoder on the shared core."""

from langchain_bge_rerank.compressor import BGERerankerCompressor
from langchain_bge_rerank.cross_encoder import BGECrossEncoder
from langchain_bge_rerank.first_stage import first_stage
from langchain_bge_rerank.scored_retriever import ScoredRetriever

__all__ = ["BGECrossEncoder", "BGERerankerCompressor", "ScoredRetriever", "first_stage"]
