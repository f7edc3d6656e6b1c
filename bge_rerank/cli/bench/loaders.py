"""Load each contender as its documentation shows.

Each function loads a model from a folder onto a device and returns a function that ranks. All models read
the same float32 weights and have the same maximum length. Scores are returned in input order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from bge_rerank.models.config import Dtype, ScorerConfig
from bge_rerank.ranking.reranker import Reranker
from bge_rerank.scoring.loading import load_scorer
from bge_rerank.types import Scorer

Rank = Callable[..., Sequence[float]]

SERVER_SECONDS = 3_600.0
"""The timeout of a measured server."""


def ours(backend: str, dtype: Dtype, folder: Path, max_length: int, device: str) -> Rank:
    """Load this package's `Reranker` with a backend."""
    return _by_reranker(
        load_scorer(str(folder), backend, dtype=dtype, max_length=max_length, device=device)
    )


def ours_padded(dtype: Dtype, folder: Path, max_length: int, device: str) -> Rank:
    """Load the `torch` backend with padded rows instead of packed rows."""
    from bge_rerank.backends.torch.scorer import TorchScorer

    config = ScorerConfig(str(folder), dtype=dtype, max_length=max_length, device=device)
    return _by_reranker(TorchScorer(config, packs=False))


def ask_server(
    backend: str, url: str, model_name: str, _folder: Path, _max_length: int, _device: str
) -> Rank:
    """Ask a running server for logits."""
    scorer = load_scorer(
        model_name, backend, base_url=url, timeout=SERVER_SECONDS, deadline=SERVER_SECONDS
    )

    return _by_pairs(scorer.score)


def flag(
    precision: Literal["float32", "float16"], folder: Path, max_length: int, device: str
) -> Rank:
    """Load FlagEmbedding's `FlagReranker`. Its tutorials use float16."""
    from FlagEmbedding import FlagReranker

    reranker = FlagReranker(
        str(folder), use_fp16=precision == "float16", devices=device, max_length=max_length
    )
    return _by_pairs(reranker.compute_score)


def cross_encoder(
    backend: str, model_kwargs: Mapping[str, Any], folder: Path, max_length: int, device: str
) -> Rank:
    """Load Sentence Transformers' `CrossEncoder`, without its sigmoid, whose cost is negligible."""
    from sentence_transformers import CrossEncoder
    from torch.nn import Identity

    model = CrossEncoder(
        str(folder),
        backend=backend,
        device=device,
        max_length=max_length,
        model_kwargs=dict(model_kwargs),
    )
    return _by_pairs(partial(model.predict, activation_fn=Identity()))


def langchain(folder: Path, max_length: int, device: str) -> Rank:
    """Load LangChain's `CrossEncoderReranker` with a `HuggingFaceCrossEncoder`.

    The compressor drops the scores, so a class between the two records them.
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
    """Load LlamaIndex's `SentenceTransformerRerank`, with `max_length` instead of its fixed 512 tokens."""
    from llama_index.core.postprocessor import SentenceTransformerRerank
    from llama_index.core.schema import NodeWithScore, TextNode

    postprocessor = SentenceTransformerRerank(model=str(folder), device=device)
    postprocessor._model.max_length = max_length  # noqa: SLF001 - it has no public option

    def rank(query: str, documents: Sequence[str]) -> list[float]:
        postprocessor.top_n = len(documents)
        nodes = [NodeWithScore(node=TextNode(text=document)) for document in documents]
        postprocessor.postprocess_nodes(nodes, query_str=query)
        return [node.get_score() for node in nodes]

    return rank


def rerankers(folder: Path, max_length: int, device: str) -> Rank:
    """Load a cross-encoder with the package `rerankers`."""
    from rerankers import Reranker

    ranker = Reranker(str(folder), model_type="cross-encoder", device=device, verbose=0)
    ranker.tokenizer.model_max_length = max_length

    def rank(query: str, documents: Sequence[str]) -> list[float]:
        results = ranker.rank(query, list(documents)).results
        return [result.score for result in sorted(results, key=lambda result: result.doc_id)]

    return rank


def _by_pairs(score: Callable[..., Sequence[float]]) -> Rank:
    def rank(query: str, documents: Sequence[str], **options: int) -> Sequence[float]:
        return score([(query, document) for document in documents], **options)

    return rank


def _by_reranker(scorer: Scorer) -> Rank:
    reranker = Reranker(scorer, top_n=None)

    def rank(query: str, documents: Sequence[str]) -> list[float]:
        ranking = reranker.rerank(query, documents)
        return [ranked.logit for ranked in sorted(ranking, key=lambda ranked: ranked.index)]

    return rank
