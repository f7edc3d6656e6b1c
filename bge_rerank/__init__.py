"""Rerank texts with the BGE cross-encoders: one scoring core for every framework.

May import `ranking` and every room below it.
Start reading in `ranking/reranker.py`.
"""

from bge_rerank.calibration.calibration import Calibration
from bge_rerank.errors import (
    CalibrationError,
    ConfigurationError,
    DriftError,
    ExportError,
    InvalidInputError,
    InvalidTextError,
    MissingDependencyError,
    ModelLoadError,
    NonFiniteScoreError,
    OutOfMemoryError,
    RerankError,
    RetrievalError,
    ScoringError,
    ServerError,
    UnsupportedModelError,
)
from bge_rerank.models.config import DEFAULT_MODEL
from bge_rerank.ranking.reranker import Reranker
from bge_rerank.ranking.result import Ranking
from bge_rerank.ranking.tiers import Tier
from bge_rerank.scoring.loading import load_scorer
from bge_rerank.types import AsyncScorer, Ranked, Scorer

__all__ = [
    "DEFAULT_MODEL",
    "AsyncScorer",
    "Calibration",
    "CalibrationError",
    "ConfigurationError",
    "DriftError",
    "ExportError",
    "InvalidInputError",
    "InvalidTextError",
    "MissingDependencyError",
    "ModelLoadError",
    "NonFiniteScoreError",
    "OutOfMemoryError",
    "Ranked",
    "Ranking",
    "RerankError",
    "Reranker",
    "RetrievalError",
    "Scorer",
    "ScoringError",
    "ServerError",
    "Tier",
    "UnsupportedModelError",
    "load_scorer",
]

__version__ = "0.1.0"
