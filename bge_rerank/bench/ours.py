"""This package as a contender: called as its users call it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bge_rerank.config import Dtype
from bge_rerank.loading import load_scorer
from bge_rerank.reranker import Reranker


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
