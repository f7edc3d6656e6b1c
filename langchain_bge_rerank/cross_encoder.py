"""`BGECrossEncoder`: a scorer as LangChain's `BaseCrossEncoder`."""

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
    """A scorer for LangChain components that take a `BaseCrossEncoder`.

    Use `BGERerankerCompressor` where you can. LangChain's own `CrossEncoderReranker`, which takes
    this class, does not keep the scores.

    >>> encoder = BGECrossEncoder(load_scorer("mini"))
    >>> low, high = encoder.score([("tides", "Bread rises."), ("tides", "The Moon raises tides.")])
    >>> 0.0 < low < high < 1.0
    True
    """

    def __init__(self, scorer: Scorer | None = AdapterOptions.scorer) -> None:
        """Keep a scorer; nothing is loaded.

        Args:
            scorer: The result of `load_scorer`, or an object of your own with `score(pairs)`. `None`
                is `load_scorer()`, the default model.
        """
        self.scorer = scorer if scorer is not None else load_scorer()

    @override
    def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
        """Return the `rerank_score` of each pair: the sigmoid of its logit, 0..1.

        Args:
            text_pairs: Pairs of query and passage.

        Returns:
            One score per pair, in input order.

        Raises:
            InvalidInputError: A query is empty, or a passage is not a string.
            ScoringError: The model fails, or returns a score that cannot be ranked.
        """
        pairs = [
            (checked_query(query), checked_text(index, passage))
            for index, (query, passage) in enumerate(text_pairs)
        ]
        return [sigmoid(logit) for logit in score_pairs(self.scorer, pairs)]
