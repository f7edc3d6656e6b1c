"""What decides a model's ranking, as plain values: written beside the numbers, and compared with them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bge_rerank.ranking.prefilter import Prefilter
from bge_rerank.ranking.reranker import Reranker
from bge_rerank.scoring.identity import config_of, innermost
from bge_rerank.types import Scorer

_SCORER_FIELDS = (
    "model_name",
    "backend",
    "revision",
    "device",
    "dtype",
    "max_length",
    "threads",
    "cutoff_layers",
    "base_url",
)
"""What of a `ScorerConfig` shows in the numbers and is no secret."""


def describe_reranker(reranker: Reranker) -> dict[str, Any]:
    """Return what decides a reranker's numbers.

    >>> from bge_rerank import load_scorer
    >>> describe_reranker(Reranker(load_scorer("mini"), top_n=None))["scorer"]["model_name"]
    'mini'
    """
    return {
        "scorer": _scorer(reranker.scorer),
        "top_n": reranker.top_n,
        "score_threshold": reranker.score_threshold,
        "min_logit": reranker.min_logit,
        "latency_budget_ms": reranker.latency_budget_ms,
        "prefilter": _prefilter(reranker.prefilter),
        "long_documents": reranker.long_documents,
        "window_tokens": reranker.window_tokens,
        "fusion": reranker.fusion,
        "rrf_k": None if reranker.fusion is None else reranker.rrf_k,
    }


def _prefilter(prefilter: Prefilter | None) -> dict[str, Any] | None:
    if prefilter is None:
        return None
    return {"scorer": _scorer(prefilter.scorer), "keep": prefilter.keep}


def _scorer(scorer: Scorer) -> dict[str, Any]:
    """Return a scorer's configuration, or the class of a scorer of your own."""
    config = config_of(scorer)
    if config is None:
        own = type(innermost(scorer))
        return {"class": f"{own.__module__}.{own.__qualname__}"}
    values = asdict(config)
    return {name: values[name] for name in _SCORER_FIELDS}
