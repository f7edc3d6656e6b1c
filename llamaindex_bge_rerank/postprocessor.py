"""`BGERerankerPostprocessor`: reranks LlamaIndex nodes."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
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
    checked_items,
    with_rerank_metadata,
)
from bge_rerank.adapters.settings import RerankerSettings
from bge_rerank.inputs import checked_query
from bge_rerank.types import Ranked

dispatcher = get_dispatcher(__name__)

SCORE_KEYS = (*RERANK_KEYS, RETRIEVAL_SCORE_KEY)
"""The metadata fields that neither the LLM nor the embedder may read."""


class BGERerankerPostprocessor(RerankerSettings, BaseNodePostprocessor):
    """A LlamaIndex node postprocessor that reranks nodes and keeps the best ones.

    Put it into `node_postprocessors` of a query engine or into a `BGERerankerRetriever`, or call
    `postprocess_nodes`. It takes the options of the model (`model_name`, `backend`, ...), of the ranking
    (`top_n`, `score_threshold`, ...) and of an adapter (`on_error`, ...), all by name.
    `docs/options.md` lists them.

    The result is ordered best first. Each `NodeWithScore` in it is new and holds a copy of the node;
    the nodes that you pass are never changed. Its `score` is the `rerank_score`, or the `rerank_fused`
    with `rrf_k`. These fields are added to the metadata, where neither the LLM nor the embedder reads
    them:

    - `rerank_score`: the sigmoid of the model's logit, a float in 0..1. It is not a probability.
    - `rerank_probability`: the calibrated probability that the node is relevant, a float in 0..1.
      Needs `calibration`.
    - `rerank_fused`: the fused score that orders the nodes, a float above 0. Needs `rrf_k`.
    - `rerank_span`: `[start, end]`, the part of the node's text that gave the score, in characters;
      `end` is exclusive. Needs `long_documents="window"`.
    - `rerank_error`: why a node has no score. It replaces the fields above.
    - `retrieval_score`: the score that the node had before, or `None`. `min_retrieval_score` is
      compared with it.

    Making a postprocessor loads nothing. The first call loads the weights. All postprocessors and
    scorers of one configuration share them.

    Raises:
        ConfigurationError: An option does not exist or has a value that cannot work.

    >>> from llama_index.core.schema import NodeWithScore, TextNode
    >>> texts = ["Bread rises on yeast.", "The Moon raises the tides."]
    >>> nodes = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in texts]
    >>> postprocessor = BGERerankerPostprocessor(model_name="mini", top_n=1)
    >>> [best] = postprocessor.postprocess_nodes(nodes, query_str="what causes tides")
    >>> best.node.text, best.metadata["retrieval_score"]
    ('The Moon raises the tides.', 0.5)
    """

    metadata_mode: MetadataMode = MetadataMode.NONE
    """How much of a node's metadata is scored with its text. `NONE` scores the same text as the
    LangChain adapter does, and `EMBED` the text that the embedder reads."""

    @classmethod
    @override
    def class_name(cls) -> str:
        """Return the class name that `to_dict` writes."""
        return "BGERerankerPostprocessor"

    @model_validator(mode="before")
    @classmethod
    def _leave_class_name_out(cls, data: Any) -> Any:
        """Remove the class name, which LlamaIndex adds to dumps."""
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if name != "class_name"}

    @override
    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query, nodes = _query(query_bundle), _checked(nodes)
        with self._events(nodes, query) as reranked:
            passages = self._passages(nodes)
            ranking = self.rank(query, passages, self._places(nodes))
            reranked.extend(_scored_copy(nodes, passages, ranked) for ranked in ranking)
        return reranked

    @override
    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query, nodes = _query(query_bundle), _checked(nodes)
        with self._events(nodes, query) as reranked:
            passages = self._passages(nodes)
            ranking = await self.arank(query, passages, self._places(nodes))
            reranked.extend(_scored_copy(nodes, passages, ranked) for ranked in ranking)
        return reranked

    @contextmanager
    def _events(self, nodes: list[NodeWithScore], query: str) -> Iterator[list[NodeWithScore]]:
        """Report start and end to both event systems of LlamaIndex, also if the block fails.

        Yields:
            An empty list. The block adds the reranked nodes, which the end event then holds.
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
        # LlamaIndex silently drops values that cannot be pickled. Dropping these would change the ranking.
        pickle.dumps((self.scorer, self.prefilter, self.on_ranking))
        return super().__getstate__()


def _query(query_bundle: QueryBundle | None) -> str:
    return checked_query(query_bundle.query_str if query_bundle is not None else "")


def _checked(nodes: Iterable[object]) -> list[NodeWithScore]:
    """Return nodes as a list, so that those of a generator are read once."""
    return checked_items(nodes, NodeWithScore, "nodes", "NodeWithScore(node=TextNode(text=...))")


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
    """Return the value that orders the nodes, as LlamaIndex expects of a node's score."""
    if isinstance(ranked, Unscored):
        return came.score
    return ranked.score if ranked.fused is None else ranked.fused


def _with_score_keys(keys: list[str]) -> list[str]:
    return [*keys, *(key for key in SCORE_KEYS if key not in keys)]
