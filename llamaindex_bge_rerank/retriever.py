"""`BGERerankerRetriever`: retrieves and reranks in one call."""

from __future__ import annotations

from time import perf_counter

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import NodeWithScore, QueryBundle
from typing_extensions import override

from bge_rerank.ranking.tiers import retriever_tier
from llamaindex_bge_rerank.postprocessor import BGERerankerPostprocessor


class BGERerankerRetriever(BaseRetriever):
    """A LlamaIndex retriever that reranks the nodes of another retriever.

    It returns the nodes that the postprocessor keeps, best first (see `BGERerankerPostprocessor`). The
    postprocessor's `on_ranking` receives a `Ranking` whose first tier is the other retriever. Errors of
    both are raised. Both report their events below those of this retriever.

    >>> from llama_index.core import MockEmbedding, VectorStoreIndex
    >>> from llama_index.core.schema import TextNode
    >>> texts = ["Bread rises on yeast.", "The Moon raises the tides."]
    >>> nodes = [TextNode(text=text) for text in texts]
    >>> index = VectorStoreIndex(nodes, embed_model=MockEmbedding(8))
    >>> rankings = []
    >>> retriever = BGERerankerRetriever(
    ...     index.as_retriever(similarity_top_k=20),
    ...     BGERerankerPostprocessor(model_name="mini", top_n=1, on_ranking=rankings.append),
    ... )
    >>> [best] = retriever.retrieve("what causes tides")
    >>> best.text
    'The Moon raises the tides.'
    >>> [(tier.name, tier.kept) for tier in rankings[0].tiers]
    [('retriever', 2), ('mini', 1)]
    """

    def __init__(
        self,
        retriever: BaseRetriever,
        postprocessor: BGERerankerPostprocessor,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        """Put both together; nothing is loaded.

        Args:
            retriever: The first stage. Let it find as many nodes as you want to rerank, 20 or more.
            postprocessor: The postprocessor that reranks them.
            callback_manager: The manager that this retriever and the postprocessor report to. With
                `None`, this retriever reports to the manager of `retriever`, and the postprocessor to
                the one that it has.
        """
        # A retriever that has not called LlamaIndex's constructor has no manager yet.
        super().__init__(callback_manager or getattr(retriever, "callback_manager", None))
        self.retriever = retriever
        self.postprocessor = postprocessor
        if callback_manager is not None:
            update = {"callback_manager": callback_manager}
            self.postprocessor = postprocessor.model_copy(update=update)

    @override
    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        started = perf_counter()
        found = self.retriever.retrieve(query_bundle)
        postprocessor = self.postprocessor.after(retriever_tier(found, started))
        return postprocessor.postprocess_nodes(found, query_bundle)

    @override
    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        started = perf_counter()
        found = await self.retriever.aretrieve(query_bundle)
        postprocessor = self.postprocessor.after(retriever_tier(found, started))
        return await postprocessor.apostprocess_nodes(found, query_bundle)
