"""`ScoredRetriever`: a vector store's retriever that keeps the scores of the search."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, ClassVar

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.runnables.config import run_in_executor
from langchain_core.vectorstores import VectorStoreRetriever
from typing_extensions import override

from bge_rerank.adapters.metadata import RETRIEVAL_SCORE_KEY
from bge_rerank.errors import ConfigurationError


class ScoredRetriever(VectorStoreRetriever):
    """A vector store's retriever that puts each document's relevance score into its metadata.

    Use it as the first stage where you set `min_retrieval_score`: `store.as_retriever()` drops the
    scores. It searches with the store's `similarity_search_with_relevance_scores`. `search_kwargs`
    goes to that search, for example `{"k": 20}`. Documents are copies; those of the store are never
    changed.

    The score is on the store's own scale. LangChain means it to be 0..1, with 1 for the most similar.
    Scores can leave this range if embeddings are not of length 1, and some stores return a distance.
    Look at the scores of your store before you set a minimum: higher must mean nearer.

    >>> from langchain_core.embeddings import DeterministicFakeEmbedding
    >>> from langchain_core.vectorstores import InMemoryVectorStore
    >>> store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    >>> _ = store.add_texts(["tides", "bread"])
    >>> retriever = ScoredRetriever(
    ...     vectorstore=store, search_kwargs={"k": 1}, relevance_score_fn=lambda cosine: cosine
    ... )
    >>> [best] = retriever.invoke("tides")
    >>> best.page_content, round(best.metadata["retrieval_score"], 3)
    ('tides', 1.0)
    """

    allowed_search_types: ClassVar[Collection[str]] = ("similarity",)

    retrieval_score_key: str = RETRIEVAL_SCORE_KEY
    """The metadata field that receives the score."""
    relevance_score_fn: Callable[[float], float] | None = None
    """A function from the value of the store's `similarity_search_with_score` to a score that is
    higher for nearer documents. Needed for stores without relevance scores. `None` uses the store's
    relevance scores."""

    @override
    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        """Search the store.

        Raises:
            ConfigurationError: The store has no such scores.
        """
        options = self.search_kwargs | kwargs
        try:
            if self.relevance_score_fn is None:
                found = self.vectorstore.similarity_search_with_relevance_scores(query, **options)
            else:
                found = self.vectorstore.similarity_search_with_score(query, **options)
        except NotImplementedError as error:
            raise self._no_scores() from error
        return self._with_scores(found)

    @override
    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        options = self.search_kwargs | kwargs
        store = self.vectorstore
        try:
            if self.relevance_score_fn is None:
                found = await store.asimilarity_search_with_relevance_scores(query, **options)
            else:
                found = await store.asimilarity_search_with_score(query, **options)
        except NotImplementedError:  # some stores have scores in their sync methods only
            sync = run_manager.get_sync()
            return await run_in_executor(
                None, self._get_relevant_documents, query, run_manager=sync, **kwargs
            )
        return self._with_scores(found)

    def _with_scores(self, found: Iterable[tuple[Document, float]]) -> list[Document]:
        relevance = self.relevance_score_fn or (lambda score: score)
        documents = []
        for document, score in found:
            metadata = {**document.metadata, self.retrieval_score_key: float(relevance(score))}
            documents.append(document.model_copy(update={"metadata": metadata}))
        return documents

    def _no_scores(self) -> ConfigurationError:
        store = type(self.vectorstore).__name__
        if self.relevance_score_fn is not None:
            return ConfigurationError(
                f"{store} has no similarity_search_with_score, so it has no scores; use its "
                "as_retriever(), without min_retrieval_score"
            )
        return ConfigurationError(
            f"{store} has no relevance scores; pass a relevance_score_fn that turns the value of its "
            "similarity_search_with_score into a score that is higher for nearer documents"
        )
