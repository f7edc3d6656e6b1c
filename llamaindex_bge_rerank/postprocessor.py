"""`BGERerankerPostprocessor`: rerank retrieved nodes in a LlamaIndex query engine."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
from llama_index_instrumentation import get_dispatcher
from pydantic import model_validator
from typing_extensions import override

from bge_rerank.adapters.metadata import (
    RERANK_KEYS,
    RETRIEVAL_SCORE_KEY,
    Unscored,
    with_rerank_metadata,
)
from bge_rerank.adapters.settings import RerankerSettings
from bge_rerank.inputs import checked_query
from bge_rerank.types import Ranked

dispatcher = get_dispatcher(__name__)

SCORE_KEYS = (*RERANK_KEYS, RETRIEVAL_SCORE_KEY)
"""Metadata for the caller alone: neither the LLM nor the embedder reads it."""


class BGERerankerPostprocessor(RerankerSettings, BaseNodePostprocessor):
    """Keep the nodes that answer the query best, best first.

    Every node kept is a new `NodeWithScore` around a copy of the node. Its score, and
    `metadata["rerank_score"]`, is the sigmoid of the model's logit, a float in 0..1;
    `metadata["retrieval_score"]` is the score that the node came in with, or `None`. With
    `long_documents="window"`, `metadata["rerank_span"]` is the first and the last-plus-one place in
    the node's text of the window that gave the score; with a `calibration`,
    `metadata["rerank_probability"]` is the calibrated probability that the node is relevant, 0..1;
    with `rrf_k`, the node's score, by which it is ordered, and `metadata["rerank_fused"]` are the
    fused score. `min_retrieval_score` is compared with the score that a node came in with.
    What came in is never changed. The weights are loaded when the first nodes come, once a process.

    >>> from llama_index.core.schema import NodeWithScore, TextNode
    >>> texts = ["Bread rises on yeast.", "The Moon raises the tides."]
    >>> nodes = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in texts]
    >>> postprocessor = BGERerankerPostprocessor(model_name="mini", top_n=1)
    >>> [best] = postprocessor.postprocess_nodes(nodes, query_str="what causes tides")
    >>> best.node.text, best.metadata["retrieval_score"]
    ('The Moon raises the tides.', 0.5)
    """

    metadata_mode: MetadataMode = MetadataMode.NONE
    """How much of a node's metadata stands in the text that is scored; `NONE` scores the same text
    as LangChain's adapter does, `EMBED` what the embedder reads."""

    @classmethod
    @override
    def class_name(cls) -> str:
        """Return the name that `to_dict` writes down."""
        return "BGERerankerPostprocessor"

    @model_validator(mode="before")
    @classmethod
    def _leave_class_name_out(cls, data: Any) -> Any:
        """Take back what `model_dump` gives: LlamaIndex writes the class's name into it."""
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if name != "class_name"}

    @override
    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _query(query_bundle)
        with self._events(nodes, query) as reranked:
            passages = self._passages(nodes)
            ranking = self.rank(query, passages, self._places(nodes))
            reranked.extend(_scored_copy(nodes, passages, ranked) for ranked in ranking)
        return reranked

    @override
    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _query(query_bundle)
        with self._events(nodes, query) as reranked:
            passages = self._passages(nodes)
            ranking = await self.arank(query, passages, self._places(nodes))
            reranked.extend(_scored_copy(nodes, passages, ranked) for ranked in ranking)
        return reranked

    @contextmanager
    def _events(self, nodes: list[NodeWithScore], query: str) -> Iterator[list[NodeWithScore]]:
        """Report start and end to both of LlamaIndex's event systems, also when the block fails.

        Yields:
            An empty list, to be filled with the nodes that the end event shall carry.
        """
        reranked: list[NodeWithScore] = []
        top_n = len(nodes) if self.top_n is None else self.top_n
        payload: dict[str, Any] = {
            EventPayload.NODES: nodes,
            EventPayload.MODEL_NAME: self.model_name,
            EventPayload.QUERY_STR: query,
            EventPayload.TOP_K: top_n,
        }
        dispatcher.event(
            ReRankStartEvent(query=query, nodes=nodes, top_n=top_n, model_name=self.model_name)
        )
        try:
            with self.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
                yield reranked
                event.on_end(payload={EventPayload.NODES: reranked})
        finally:
            dispatcher.event(ReRankEndEvent(nodes=reranked))

    def _passages(self, nodes: list[NodeWithScore]) -> list[str]:
        return [
            self.passage(
                node.node.get_content(metadata_mode=self.metadata_mode), node.node.metadata
            )
            for node in nodes
        ]

    def _places(self, nodes: list[NodeWithScore]) -> list[int] | None:
        return self._well_retrieved([node.score for node in nodes], "score")

    @override
    def __getstate__(self) -> dict[str, Any]:
        # LlamaIndex drops what cannot be pickled; without these this would rank otherwise, or not tell.
        pickle.dumps((self.scorer, self.prefilter, self.on_ranking))
        return super().__getstate__()


def _query(query_bundle: QueryBundle | None) -> str:
    return checked_query(query_bundle.query_str if query_bundle is not None else "")


def _scored_copy(
    nodes: list[NodeWithScore], passages: list[str], ranked: Ranked | Unscored
) -> NodeWithScore:
    came, passage = nodes[ranked.index], passages[ranked.index]
    node, text = came.node, came.node.get_content(MetadataMode.NONE)
    metadata = with_rerank_metadata(node.metadata, ranked, passage, text)
    metadata[RETRIEVAL_SCORE_KEY] = came.score
    copy = node.model_copy(
        update={
            "metadata": metadata,
            "excluded_llm_metadata_keys": _with_score_keys(node.excluded_llm_metadata_keys),
            "excluded_embed_metadata_keys": _with_score_keys(node.excluded_embed_metadata_keys),
        }
    )
    return NodeWithScore(node=copy, score=_score(came, ranked))


def _score(came: NodeWithScore, ranked: Ranked | Unscored) -> float | None:
    """Return what the nodes are ordered by, as LlamaIndex takes a node's score."""
    if isinstance(ranked, Unscored):
        return came.score
    return ranked.score if ranked.fused is None else ranked.fused


def _with_score_keys(keys: list[str]) -> list[str]:
    return [*keys, *(key for key in SCORE_KEYS if key not in keys)]
