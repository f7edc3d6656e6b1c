"""`BGERerankerRetriever`: retrieve and rerank in one, every tier of it seen."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever, RetrieverLike
from typing_extensions import override

from bge_rerank.ranking.tiers import retriever_tier
from langchain_bge_rerank.compressor import BGERerankerCompressor


class BGERerankerRetriever(BaseRetriever):
    """A retriever whose documents are reranked: the compressor's answer to what another one found.

    The compressor's `on_ranking` sees a `Ranking` whose `tiers` begin with that retriever. What one
    raises is raised. Retrieving and reranking are runs of their own below this one's.

    It needs langchain-core alone, as LangChain's `ContextualCompressionRetriever` does not.

    >>> from langchain_core.embeddings import DeterministicFakeEmbedding
    >>> from langchain_core.vectorstores import InMemoryVectorStore
    >>> store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    >>> _ = store.add_texts(["Bread rises on yeast.", "The Moon raises the tides."])
    >>> rankings = []
    >>> retriever = BGERerankerRetriever(
    ...     retriever=store.as_retriever(search_kwargs={"k": 20}),
    ...     compressor=BGERerankerCompressor(
    ...         model_name="mini", top_n=1, on_ranking=rankings.append
    ...     ),
    ... )
    >>> [best] = retriever.invoke("what causes tides")
    >>> best.page_content
    'The Moon raises the tides.'
    >>> [(tier.name, tier.kept) for tier in rankings[0].tiers]
    [('retriever', 2), ('mini', 1)]
    """

    retriever: RetrieverLike
    """What finds the documents; let it find as many as shall be reranked, 20 or more."""
    compressor: BGERerankerCompressor
    """What reranks them."""

    @override
    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        started = perf_counter()
        found = self.retriever.invoke(query, {"callbacks": run_manager.get_child()}, **kwargs)
        compressor = self.compressor.after(retriever_tier(found, started))
        return compressor.compress_documents(found, query, run_manager.get_child())

    @override
    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        started = perf_counter()
        callbacks = run_manager.get_child()
        found = await self.retriever.ainvoke(query, {"callbacks": callbacks}, **kwargs)
        compressor = self.compressor.after(retriever_tier(found, started))
        return await compressor.acompress_documents(found, query, run_manager.get_child())
