"""`ScoredRetriever`: a vector store's retriever whose documents say how well they were found."""

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
    """Find documents by `similarity_search_with_relevance_scores`, each with its score as metadata.

    LangChain means such a score to be 0..1, with 1 for the most similar, and each store makes it of its
    own distance: it leaves that range where embeddings are not of length 1, and some stores give the
    distance itself. `min_retrieval_score` needs scores that are higher for what is nearer: look at
    yours before you set it.

    Documents are copies; the store's own are never changed.

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
    """The metadata field that the score is put into."""
    relevance_score_fn: Callable[[float], float] | None = None
    """Makes the score of what the store's `similarity_search_with_score` gives, for stores without
    relevance scores of their own; `None` takes the store's."""

    @override
    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        """Search.

        Raises:
            ConfigurationError: The store gives no such scores.
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
        except NotImplementedError:  # as with stores that give scores in their sync methods alone
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
                f"{store} gives no scores: it has no similarity_search_with_score; take its "
                "as_retriever(), without min_retrieval_score"
            )
        return ConfigurationError(
            f"{store} gives no relevance scores; give a relevance_score_fn that makes them of what its "
            "similarity_search_with_score gives, higher for what is nearer"
        )
