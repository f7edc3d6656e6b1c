"""Other packages as contenders: called as their own documentation calls them.

Each function loads a model from a folder onto a device and returns a function that ranks. All read the same
float32 weights and the same longest sequence. Scores come back in input order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

Rank = Callable[..., list[float]]


def flag(
    precision: Literal["float32", "float16"], folder: Path, max_length: int, device: str
) -> Rank:
    """FlagEmbedding's `FlagReranker`, whose tutorials have it in float16."""
    from FlagEmbedding import FlagReranker

    reranker = FlagReranker(
        str(folder), use_fp16=precision == "float16", devices=device, max_length=max_length
    )

    def rank(query: str, documents: Sequence[str], **options: int) -> list[float]:
        pairs = [(query, document) for document in documents]
        scores: list[float] = reranker.compute_score(pairs, **options)
        return scores

    return rank


def cross_encoder(
    backend: str, model_kwargs: Mapping[str, Any], folder: Path, max_length: int, device: str
) -> Rank:
    """Sentence Transformers' `CrossEncoder`; the sigmoid is left out, which costs nothing."""
    from sentence_transformers import CrossEncoder
    from torch.nn import Identity

    model = CrossEncoder(
        str(folder),
        backend=backend,
        device=device,
        max_length=max_length,
        model_kwargs=dict(model_kwargs),
    )

    def rank(query: str, documents: Sequence[str], **options: int) -> list[float]:
        pairs = [(query, document) for document in documents]
        scores: list[float] = model.predict(pairs, activation_fn=Identity(), **options).tolist()
        return scores

    return rank


def langchain(folder: Path, max_length: int, device: str) -> Rank:
    """LangChain's `CrossEncoderReranker` on `HuggingFaceCrossEncoder`.

    The compressor throws the scores away, so they are caught between the two.
    """
    from langchain_classic.retrievers.document_compressors import CrossEncoderReranker
    from langchain_community.cross_encoders import HuggingFaceCrossEncoder
    from langchain_core.cross_encoders import BaseCrossEncoder
    from langchain_core.documents import Document

    class Keeping(BaseCrossEncoder):
        def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
            self.last_scores = list(model.score(text_pairs))
            return self.last_scores

    options = {"device": device, "max_length": max_length}
    model = HuggingFaceCrossEncoder(model_name=str(folder), model_kwargs=options)
    keeping = Keeping()

    def rank(query: str, documents: Sequence[str]) -> list[float]:
        compressor = CrossEncoderReranker(model=keeping, top_n=len(documents))
        compressor.compress_documents([Document(document) for document in documents], query)
        return keeping.last_scores

    return rank


def llamaindex(folder: Path, max_length: int, device: str) -> Rank:
    """LlamaIndex's `SentenceTransformerRerank`, whose fixed limit of 512 tokens is set to ours."""
    from llama_index.core.postprocessor import SentenceTransformerRerank
    from llama_index.core.schema import NodeWithScore, TextNode

    postprocessor = SentenceTransformerRerank(model=str(folder), device=device)
    postprocessor._model.max_length = max_length  # noqa: SLF001 - there is no public way

    def rank(query: str, documents: Sequence[str]) -> list[float]:
        postprocessor.top_n = len(documents)
        nodes = [NodeWithScore(node=TextNode(text=document)) for document in documents]
        postprocessor.postprocess_nodes(nodes, query_str=query)
        return [node.get_score() for node in nodes]

    return rank


def rerankers(folder: Path, max_length: int, device: str) -> Rank:
    """`rerankers`, as a cross-encoder."""
    from rerankers import Reranker

    ranker = Reranker(str(folder), model_type="cross-encoder", device=device, verbose=0)
    ranker.tokenizer.model_max_length = max_length

    def rank(query: str, documents: Sequence[str]) -> list[float]:
        results = ranker.rank(query, list(documents)).results
        return [result.score for result in sorted(results, key=lambda result: result.doc_id)]

    return rank
