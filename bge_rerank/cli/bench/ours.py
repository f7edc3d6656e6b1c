"""This package as a contender: called as its users call it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bge_rerank.models.config import Dtype, ScorerConfig
from bge_rerank.ranking.reranker import Reranker
from bge_rerank.scoring.loading import load_scorer
from bge_rerank.types import Scorer

SERVER_SECONDS = 3_600.0


def build(
    backend: str, dtype: Dtype, folder: Path, max_length: int, device: str
) -> Callable[[str, Sequence[str]], list[float]]:
    """Make a `Reranker` that keeps all; its logits are put back into input order."""
    scorer = load_scorer(str(folder), backend, dtype=dtype, max_length=max_length, device=device)
    return _ranks(scorer)


def build_padded(
    dtype: Dtype, folder: Path, max_length: int, device: str
) -> Callable[[str, Sequence[str]], list[float]]:
    """Make the same of the `torch` backend with rows padded where it would pack them."""
    from bge_rerank.backends.torch.scorer import TorchScorer

    config = ScorerConfig(str(folder), dtype=dtype, max_length=max_length, device=device)
    return _ranks(TorchScorer(config, packs=False))


def _ranks(scorer: Scorer) -> Callable[[str, Sequence[str]], list[float]]:
    reranker = Reranker(scorer, top_n=None)

    def rank(query: str, documents: Sequence[str]) -> list[float]:
        ranking = reranker.rerank(query, documents)
        return [ranked.logit for ranked in sorted(ranking, key=lambda ranked: ranked.index)]

    return rank


def ask_server(
    backend: str, url: str, model_name: str, _folder: Path, _max_length: int, _device: str
) -> Callable[[str, Sequence[str]], list[float]]:
    """Ask a running server for logits, with all the time that it takes."""
    scorer = load_scorer(
        model_name, backend, base_url=url, timeout=SERVER_SECONDS, deadline=SERVER_SECONDS
    )

    def rank(query: str, documents: Sequence[str]) -> list[float]:
        return scorer.score([(query, document) for document in documents])

    return rank
