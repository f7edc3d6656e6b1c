"""What a ranking adds to the metadata of documents and nodes, and the ids that labels use."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bge_rerank.errors import InvalidInputError, ScoringError
from bge_rerank.types import Ranked, Span

logger = logging.getLogger(__name__)

RERANK_KEYS = (
    "rerank_score",
    "rerank_probability",
    "rerank_fused",
    "rerank_error",
    "rerank_span",
)
"""The metadata that a ranking adds, where there is such a value."""
RETRIEVAL_SCORE_KEY = "retrieval_score"
"""The metadata field of the first stage's score."""


@dataclass(frozen=True, slots=True)
class Unscored:
    """One text of a ranking that failed.

    Attributes:
        index: The text's place in the input, from 0.
        error: Why it has no score, in a line.
    """

    index: int
    error: str


def first_stage_order(
    places: Sequence[int], top_n: int | None, error: ScoringError
) -> list[Unscored]:
    """Return the first of the texts at some places, in their order, and log a warning.

    >>> first_stage_order(range(3), 2, ScoringError("the server is away"))
    [Unscored(index=0, error='the server is away'), Unscored(index=1, error='the server is away')]
    """
    logger.warning("not reranked, kept in first-stage order: %s", error)
    return [Unscored(index, str(error)) for index in places[:top_n]]


def rerank_metadata(ranked: Ranked | Unscored, passage: str, text: str) -> dict[str, Any]:
    r"""Return what a ranking adds to the metadata of a document or node.

    Args:
        ranked: Its place in the ranking.
        passage: What was scored.
        text: What of it is the text of the document or node, that a span shall point into.

    >>> rerank_metadata(Ranked(index=0, score=0.5, logit=0.0), "text", "text")
    {'rerank_score': 0.5}
    >>> rerank_metadata(Ranked(0, 0.5, 0.0, span=(3, 9)), "Title\ntext", "text")
    {'rerank_score': 0.5, 'rerank_span': [0, 3]}
    >>> rerank_metadata(Ranked(0, 0.5, 0.0, probability=0.8), "text", "text")
    {'rerank_score': 0.5, 'rerank_probability': 0.8}
    >>> rerank_metadata(Ranked(0, 0.5, 0.0, fused=0.03), "text", "text")
    {'rerank_score': 0.5, 'rerank_fused': 0.03}
    """
    if isinstance(ranked, Unscored):
        return {"rerank_error": ranked.error}
    span = None if ranked.span is None else _span_in_text(ranked.span, passage, text)
    metadata: dict[str, Any] = {"rerank_score": ranked.score}
    if ranked.probability is not None:
        metadata["rerank_probability"] = ranked.probability
    if ranked.fused is not None:
        metadata["rerank_fused"] = ranked.fused
    if span:
        metadata["rerank_span"] = list(span)
    return metadata


def with_rerank_metadata(
    metadata: dict[str, Any], ranked: Ranked | Unscored, passage: str, text: str
) -> dict[str, Any]:
    """Return a copy of metadata with `rerank_metadata` in place of what an earlier reranking added.

    >>> earlier = {"title": "Tides", "rerank_probability": 0.9}
    >>> with_rerank_metadata(earlier, Ranked(0, 0.5, 0.0), "text", "text")
    {'title': 'Tides', 'rerank_score': 0.5}
    """
    others = {key: value for key, value in metadata.items() if key not in RERANK_KEYS}
    return others | rerank_metadata(ranked, passage, text)


def labelled_id(
    kind: str, own: str | None, metadata: dict[str, Any], id_key: str | None, text: str
) -> str:
    """Return the id by which labels name a document or node: its own, or the one in a metadata field.

    Raises:
        InvalidInputError: It has no such id.
    """
    id_ = own if id_key is None else metadata.get(id_key)
    if id_ is None:
        where = "id" if id_key is None else f"metadata {id_key!r}"
        raise InvalidInputError(
            f"a {kind} has no {where}: {text!r:.80}; give the id_key of the ids that your labels use"
        )
    return str(id_)


def _span_in_text(span: Span, passage: str, text: str) -> Span | None:
    r"""Return the span in `text` of a span in `passage`, which ends with `text`; `None` if outside.

    >>> _span_in_text((0, 9), passage="Title\ntext", text="text")
    (0, 3)
    """
    ahead = passage.rfind(text)
    start, end = (min(max(0, place - ahead), len(text)) for place in span)
    return (start, end) if ahead >= 0 and end > start else None
