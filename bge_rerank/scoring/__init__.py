"""Turn a model's name into scores: loading, shared passes, and caches.

May import `export` and every room below it.
Start reading in `loading.py`.
"""

from __future__ import annotations

from bge_rerank.scoring.asking import ascore_pairs, score_pairs
from bge_rerank.scoring.cache import CachedScorer, MemoryCache, ScoreCache, open_cache
from bge_rerank.scoring.cache_folder import FolderCache
from bge_rerank.scoring.gathering import GatheringScorer
from bge_rerank.scoring.identity import ScoredBy, Wrapper, scored_by
from bge_rerank.scoring.loading import LazyScorer
from bge_rerank.scoring.piecewise import PiecewiseScorer

__all__ = [
    "CachedScorer",
    "FolderCache",
    "GatheringScorer",
    "LazyScorer",
    "MemoryCache",
    "PiecewiseScorer",
    "ScoreCache",
    "ScoredBy",
    "Wrapper",
    "ascore_pairs",
    "open_cache",
    "score_pairs",
    "scored_by",
]
