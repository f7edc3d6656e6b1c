"""`BGECrossEncoder`: the core behind LangChain's own `CrossEncoderReranker`."""

from __future__ import annotations

from langchain_core.cross_encoders import BaseCrossEncoder
from typing_extensions import override

from bge_rerank.adapters.options import AdapterOptions
from bge_rerank.inputs import checked_query, checked_text
from bge_rerank.logits import sigmoid
from bge_rerank.scoring.asking import score_pairs
from bge_rerank.scoring.loading import load_scorer
from bge_rerank.types import Scorer


class BGECrossEncoder(BaseCrossEncoder):
    """Score (query, passage) pairs for whatever takes LangChain's `BaseCrossEncoder`.

    Prefer `BGERerankerCompressor` where you can: `CrossEncoderReranker` throws the scores away.

    >>> encoder = BGECrossEncoder(load_scorer("mini"))
    >>> low, high = encoder.score([("tides", "Bread rises."), ("tides", "The Moon raises tides.")])
    >>> 0.0 < low < high < 1.0
    True
    """

    def __init__(self, scorer: Scorer | None = AdapterOptions.scorer) -> None:
        """Keep a scorer; `None` is the default model, `load_scorer()`. Nothing is loaded."""
        self.scorer = scorer if scorer is not None else load_scorer()

    @override
    def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
        """Return the `rerank_score` (0..1, the sigmoid of the logit) of each pair, in input order.

        Raises:
            InvalidInputError: A query is empty or a passage is not a string.
            ScoringError: The model failed, or gave a score that cannot be ranked.
        """
        pairs = [
            (checked_query(query), checked_text(index, passage))
            for index, (query, passage) in enumerate(text_pairs)
        ]
        return [sigmoid(logit) for logit in score_pairs(self.scorer, pairs)]
