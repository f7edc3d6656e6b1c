"""This package as a contender: called as its users call it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bge_rerank.config import Dtype
from bge_rerank.loading import load_scorer
from bge_rerank.reranker import Reranker

SERVER_SECONDS = 3_600.0


def build(
    backend: str, dtype: Dtype, folder: Path, max_length: int
) -> Callable[[str, Sequence[str]], list[float]]:
    """Make a `Reranker` that keeps all; its logits are put back into input order."""
    scorer = load_scorer(str(folder), backend, dtype=dtype, max_length=max_length)
    reranker = Reranker(scorer, top_n=None)

    def rank(query: str, documents: Sequence[str]) -> list[float]:
        ranking = reranker.rerank(query, documents)
        return [ranked.logit for ranked in sorted(ranking, key=lambda ranked: ranked.index)]

    return rank


def ask_server(
    backend: str, url: str, model_name: str, _folder: Path, _max_length: int
) -> Callable[[str, Sequence[str]], list[float]]:
    """Ask a running server for logits, with all the time that it takes."""
    scorer = load_scorer(
        model_name, backend, base_url=url, timeout=SERVER_SECONDS, deadline=SERVER_SECONDS
    )

    def rank(query: str, documents: Sequence[str]) -> list[float]:
        return scorer.score([(query, document) for document in documents])

    return rank
