"""The settings that decide a model's ranking, as plain values.

Evaluations and batches write them next to their results. A later run continues only with equal settings.
"""

from __future__ import annotations

from typing import Any

from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.options import declared
from bge_rerank.ranking.options import RankOptions
from bge_rerank.ranking.reranker import Reranker
from bge_rerank.scoring.identity import config_of, innermost
from bge_rerank.types import Scorer


def describe_reranker(reranker: Reranker) -> dict[str, Any]:
    """Return the settings that decide a reranker's numbers.

    >>> from bge_rerank import load_scorer
    >>> describe_reranker(Reranker(load_scorer("mini"), top_n=None))["scorer"]["model_name"]
    'mini'
    """
    prefilter = reranker.prefilter
    return {
        "scorer": _scorer(reranker.scorer),
        "prefilter": prefilter and {"scorer": _scorer(prefilter.scorer), "keep": prefilter.keep},
        "min_logit": reranker.min_logit,
        **_deciding(reranker.options, RankOptions),
    }


def _deciding(values: object, declaring: type) -> dict[str, Any]:
    """Return the options that decide the numbers; none of them is a secret."""
    return {each.name: getattr(values, each.name) for each in declared(declaring) if each.decides}


def _scorer(scorer: Scorer) -> dict[str, Any]:
    """Return a scorer's configuration; for a custom scorer, its class."""
    config = config_of(scorer)
    if config is None:
        own = type(innermost(scorer))
        return {"class": f"{own.__module__}.{own.__qualname__}"}
    return _deciding(config, ScorerConfig)
