"""`BGERerankerCompressor`: reranks LangChain documents."""

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
    checked_items,
    with_rerank_metadata,
)
from bge_rerank.adapters.settings import RerankerSettings
from bge_rerank.types import Ranked


class BGERerankerCompressor(RerankerSettings, BaseDocumentCompressor):
    """A LangChain document compressor that reranks documents and keeps the best ones.

    Call it directly, or put it into a `BGERerankerRetriever` or into LangChain's
    `ContextualCompressionRetriever`. It takes the options of the model (`model_name`, `backend`, ...),
    of the ranking (`top_n`, `score_threshold`, ...) and of an adapter (`on_error`, ...), all by name.
    `docs/options.md` lists them.

    The result is ordered best first. Each document in it is a copy with its id and metadata; the
    documents that you pass are never changed. These fields are added to the metadata:

    - `rerank_score`: the sigmoid of the model's logit, a float in 0..1. It is not a probability.
    - `rerank_probability`: the calibrated probability that the document is relevant, a float in
      0..1. Needs `calibration`.
    - `rerank_fused`: the fused score that orders the documents, a float above 0. Needs `rrf_k`.
    - `rerank_span`: `[start, end]`, the part of `page_content` that gave the score, in characters;
      `end` is exclusive. Needs `long_documents="window"`.
    - `rerank_error`: why a document has no score. It replaces the fields above.

    Making a compressor loads nothing. The first call loads the weights. All compressors and scorers
    of one configuration share them. Each call is traced as one run under the callbacks given to it.

    Raises:
        ConfigurationError: An option does not exist or has a value that cannot work.

    >>> from langchain_core.documents import Document
    >>> documents = [Document("Bread rises on yeast."), Document("The Moon raises the tides.")]
    >>> compressor = BGERerankerCompressor(model_name="mini", top_n=1)
    >>> [best] = compressor.compress_documents(documents, query="what causes tides")
    >>> best.page_content
    'The Moon raises the tides.'
    >>> 0.0 < best.metadata["rerank_score"] < 1.0
    True
    """

    retrieval_score_key: str = RETRIEVAL_SCORE_KEY
    """The metadata field that holds the first-stage score, which `min_retrieval_score` is compared
    with. `ScoredRetriever` fills this field from a vector store."""

    @override
    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Rerank documents by their relevance to a query.

        Args:
            documents: The candidates, in first-stage order.
            query: The words to rank by.
            callbacks: LangChain callbacks for the run of this call.

        Returns:
            Copies of the documents kept, best first. The list is empty if `documents` is empty.

        Raises:
            InvalidInputError: The query is empty, an item is not a `Document`, or
                `min_retrieval_score` is set and a document has no first-stage score.
            ModelLoadError: The model cannot be loaded.
            MissingDependencyError: A package that the backend needs is not installed.
            ScoringError: The model or the server fails, or returns a score that cannot be ranked.
                Not raised with `on_error="passthrough"`.
        """
        inputs = {"documents": _checked(documents), "query": query}
        return self._runnable().invoke(inputs, {"callbacks": callbacks})

    @override
    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Rerank as `compress_documents` does, without blocking the event loop."""
        inputs = {"documents": _checked(documents), "query": query}
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


def _checked(documents: Iterable[object]) -> list[Document]:
    """Return documents as a list, so that those of a generator are read once."""
    return checked_items(documents, Document, "documents", "Document(page_content=...)")


def _scored_copy(
    documents: Sequence[Document], passages: Sequence[str], ranked: Ranked | Unscored
) -> Document:
    document, passage = documents[ranked.index], passages[ranked.index]
    metadata = with_rerank_metadata(document.metadata, ranked, passage, document.page_content)
    return document.model_copy(update={"metadata": metadata})
