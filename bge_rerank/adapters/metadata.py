"""Documents and nodes: the checks on them, the metadata that a ranking adds, the ids that labels use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from bge_rerank.errors import InvalidInputError, ScoringError
from bge_rerank.inputs import shown_value
from bge_rerank.types import Ranked, Span

T = TypeVar("T")

RERANK_KEYS = (
    "rerank_score",
    "rerank_probability",
    "rerank_fused",
    "rerank_error",
    "rerank_span",
)
"""The metadata fields that a ranking can add."""
RETRIEVAL_SCORE_KEY = "retrieval_score"
"""The metadata field of the first-stage score."""


@dataclass(frozen=True, slots=True)
class Unscored:
    """A text that is kept without a score.

    Attributes:
        index: The text's position in the input, from 0.
        error: One line that says why it has no score.
    """

    index: int
    error: str


def checked_items(items: Iterable[object], kind: type[T], name: str, instead: str) -> list[T]:
    """Return documents or nodes as a list, after a check of each.

    Args:
        items: The documents or nodes; a generator is read once.
        kind: The framework's class.
        name: The parameter's name, for the error message.
        instead: An example of a valid item, for the error message.

    Raises:
        InvalidInputError: `items` is not a list of them, or one item is not of the class.

    >>> checked_items(["a", 7], str, "texts", "'...'")
    Traceback (most recent call last):
    bge_rerank.errors.InvalidInputError: texts[1] is 7, not a str; pass '...'
    """
    if isinstance(items, str | kind) or not isinstance(items, Iterable):
        raise InvalidInputError(f"{name} is {shown_value(items)}; pass a list of {instead}")
    checked = []
    for index, item in enumerate(items):
        if not isinstance(item, kind):
            raise InvalidInputError(
                f"{name}[{index}] is {shown_value(item)}, not a {kind.__name__}; pass {instead}"
            )
        checked.append(item)
    return checked


def first_stage_order(
    places: Sequence[int], top_n: int | None, error: ScoringError
) -> list[Unscored]:
    """Return the first `top_n` texts at `places` in their order, without scores.

    >>> first_stage_order(range(3), 2, ScoringError("the server is away"))
    [Unscored(index=0, error='the server is away'), Unscored(index=1, error='the server is away')]
    """
    return [Unscored(index, str(error)) for index in places[:top_n]]


def rerank_metadata(ranked: Ranked | Unscored, passage: str, text: str) -> dict[str, Any]:
    r"""Return the metadata that a ranking adds to one document or node.

    Args:
        ranked: The ranked text, with its scores.
        passage: The scored text: `rank_fields`, then the text of the document or node.
        text: The text of the document or node, which `rerank_span` points into.

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
    """Return a copy of metadata in which `rerank_metadata` replaces that of an earlier reranking.

    >>> earlier = {"title": "Tides", "rerank_probability": 0.9}
    >>> with_rerank_metadata(earlier, Ranked(0, 0.5, 0.0), "text", "text")
    {'title': 'Tides', 'rerank_score': 0.5}
    """
    others = {key: value for key, value in metadata.items() if key not in RERANK_KEYS}
    return others | rerank_metadata(ranked, passage, text)


def labelled_id(
    kind: str, own: str | None, metadata: dict[str, Any], id_key: str | None, text: str
) -> str:
    """Return the id that labels use for a document or node.

    Args:
        kind: `"document"` or `"node"`, for the error message.
        own: The id of the document or node itself.
        metadata: Its metadata.
        id_key: The metadata field to read the id from; `None` uses `own`.
        text: Its text, for the error message.

    Raises:
        InvalidInputError: It has no such id.
    """
    id_ = own if id_key is None else metadata.get(id_key)
    if id_ is None:
        where = "id" if id_key is None else f"metadata {id_key!r}"
        raise InvalidInputError(
            f"a {kind} has no {where}: {text!r:.80}; pass as id_key the metadata field with the ids of "
            "your labels"
        )
    return str(id_)


def _span_in_text(span: Span, passage: str, text: str) -> Span | None:
    r"""Return a span of `passage`, which ends with `text`, as a span of `text`; `None` if outside.

    >>> _span_in_text((0, 9), passage="Title\ntext", text="text")
    (0, 3)
    """
    ahead = passage.rfind(text)
    start, end = (min(max(0, place - ahead), len(text)) for place in span)
    return (start, end) if ahead >= 0 and end > start else None
