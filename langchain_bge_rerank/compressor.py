"""`BGERerankerCompressor`: rerank retrieved documents, in a `ContextualCompressionRetriever` say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.runnables import RunnableLambda
from typing_extensions import override

from bge_rerank.adapters.metadata import (
    RETRIEVAL_SCORE_KEY,
    Unscored,
    with_rerank_metadata,
)
from bge_rerank.adapters.settings import RerankerSettings
from bge_rerank.types import Ranked


class BGERerankerCompressor(RerankerSettings, BaseDocumentCompressor):
    """Keep the documents that answer the query best, best first.

    Every document kept is a copy, with its id and metadata, and `metadata["rerank_score"]`: the
    sigmoid of the model's logit, a float in 0..1. With `long_documents="window"` it has
    `metadata["rerank_span"]` too: the first and the last-plus-one place in `page_content` of the
    window that gave the score; with a `calibration` it has `metadata["rerank_probability"]`, the
    calibrated probability that the document is relevant, 0..1; with `rrf_k` it has
    `metadata["rerank_fused"]`, by which it is ordered. The documents that came in are never changed.
    The weights are loaded when the first documents are compressed, once a process.

    Each call is a run of its own under the callbacks that it is given.

    >>> from langchain_core.documents import Document
    >>> documents = [Document("Bread rises on yeast."), Document("The Moon raises the tides.")]
    >>> compressor = BGERerankerCompressor(model_name="mini", top_n=1)
    >>> [best] = compressor.compress_documents(documents, query="what causes tides")
    >>> best.page_content
    'The Moon raises the tides.'
    """

    retrieval_score_key: str = RETRIEVAL_SCORE_KEY
    """The metadata field of the first-stage score that `min_retrieval_score` is compared with;
    `ScoredRetriever` fills it from a vector store."""

    @override
    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Rerank documents by their relevance to a query.

        Returns:
            Copies of the documents kept, best first. Without documents an empty list.

        Raises:
            InvalidInputError: The query is empty or white space, or there is a `min_retrieval_score`
                and a document without a number to compare with it.
            ModelLoadError: The model could not be loaded (on the first call).
            ScoringError: The model or the server failed, or gave a score that cannot be ranked, and
                `on_error` is `"raise"`.
        """
        inputs = {"documents": documents, "query": query}
        return self._runnable().invoke(inputs, {"callbacks": callbacks})

    @override
    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Rerank as `compress_documents` does, without blocking the event loop."""
        inputs = {"documents": documents, "query": query}
        return await self._runnable().ainvoke(inputs, {"callbacks": callbacks})

    def _runnable(self) -> RunnableLambda[dict[str, Any], list[Document]]:
        return RunnableLambda(self._compress, afunc=self._acompress, name=type(self).__name__)

    def _compress(self, inputs: dict[str, Any]) -> list[Document]:
        documents = inputs["documents"]
        passages = self._passages(documents)
        ranking = self.rank(inputs["query"], passages, self._places(documents))
        return [_scored_copy(documents, passages, ranked) for ranked in ranking]

    async def _acompress(self, inputs: dict[str, Any]) -> list[Document]:
        documents = inputs["documents"]
        passages = self._passages(documents)
        ranking = await self.arank(inputs["query"], passages, self._places(documents))
        return [_scored_copy(documents, passages, ranked) for ranked in ranking]

    def _passages(self, documents: Iterable[Document]) -> list[str]:
        return [self.passage(document.page_content, document.metadata) for document in documents]

    def _places(self, documents: Iterable[Document]) -> list[int] | None:
        key = self.retrieval_score_key
        scores = [document.metadata.get(key) for document in documents]
        return self._well_retrieved(scores, f"metadata[{key!r}]")


def _scored_copy(
    documents: Sequence[Document], passages: Sequence[str], ranked: Ranked | Unscored
) -> Document:
    document, passage = documents[ranked.index], passages[ranked.index]
    metadata = with_rerank_metadata(document.metadata, ranked, passage, document.page_content)
    return document.model_copy(update={"metadata": metadata})
