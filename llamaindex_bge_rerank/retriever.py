"""`BGERerankerRetriever`: retrieve and rerank in one, every tier of it seen."""

from __future__ import annotations

from time import perf_counter

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import NodeWithScore, QueryBundle
from typing_extensions import override

from bge_rerank.ranking.tiers import retriever_tier
from llamaindex_bge_rerank.postprocessor import BGERerankerPostprocessor


class BGERerankerRetriever(BaseRetriever):
    """A retriever whose nodes are reranked: the postprocessor's answer to what another one found.

    The postprocessor's `on_ranking` sees a `Ranking` whose `tiers` begin with that retriever. What
    one raises is raised. Both report their own events below this one's.

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
            retriever: What finds the nodes; let it find as many as shall be reranked, 20 or more.
            postprocessor: What reranks them.
            callback_manager: Whom this retriever reports to, and with it the postprocessor; `None`
                is the first one's manager for this retriever, and leaves the postprocessor its own.
        """
        # LlamaIndex gives retrievers that did not call its constructor a manager when they are asked.
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
