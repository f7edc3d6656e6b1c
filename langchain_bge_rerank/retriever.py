"""`BGERerankerRetriever`: retrieves and reranks in one call."""

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
    """A LangChain retriever that reranks the documents of another retriever.

    It returns the documents that `compressor` keeps, best first (see `BGERerankerCompressor`). The
    compressor's `on_ranking` receives a `Ranking` whose first tier is the other retriever. Errors of
    both are raised. Retrieval and reranking are traced as runs below the run of this retriever.

    It needs only `langchain-core`. LangChain's `ContextualCompressionRetriever`, which does the same
    without tiers, needs `langchain-classic`.

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
    """The first stage. Let it find as many documents as you want to rerank, 20 or more."""
    compressor: BGERerankerCompressor
    """The compressor that reranks them."""

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
