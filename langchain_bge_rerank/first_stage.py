"""`first_stage`: a LangChain retriever as the first stage of an evaluation."""

from __future__ import annotations

from collections.abc import Callable

from langchain_core.retrievers import BaseRetriever

from bge_rerank.adapters.metadata import labelled_id


def first_stage(
    retriever: BaseRetriever, id_key: str | None = None
) -> Callable[[str], list[tuple[str, str]]]:
    """Return a function from a query to (id, text) pairs, best first.

    Pass it to `bge_rerank.evaluation.evaluate` as `retriever`.

    Args:
        retriever: A retriever that finds as many documents as you want to rerank.
        id_key: The metadata field with the ids that your labels use. `None` uses each document's
            own id.

    Raises:
        InvalidInputError: A document has no such id. The returned function raises it.

    >>> from langchain_core.embeddings import DeterministicFakeEmbedding
    >>> from langchain_core.vectorstores import InMemoryVectorStore
    >>> store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    >>> _ = store.add_texts(["The Moon raises the tides."], [{"key": "moon"}])
    >>> first_stage(store.as_retriever(), "key")("what causes tides")
    [('moon', 'The Moon raises the tides.')]
    """

    def find(query: str) -> list[tuple[str, str]]:
        found = []
        for document in retriever.invoke(query):
            text = document.page_content
            id_ = labelled_id("document", document.id, document.metadata, id_key, text)
            found.append((id_, text))
        return found

    return find
