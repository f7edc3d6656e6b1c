"""`first_stage`: a LangChain retriever as what `bge_rerank.evaluation.evaluate` asks for candidates."""

from __future__ import annotations

from collections.abc import Callable

from langchain_core.retrievers import BaseRetriever

from bge_rerank.adapters.metadata import labelled_id


def first_stage(
    retriever: BaseRetriever, id_key: str | None = None
) -> Callable[[str], list[tuple[str, str]]]:
    """Return a function that takes a query and gives (id, text) pairs, best first.

    Args:
        retriever: Give it as many documents to find as shall be reranked.
        id_key: The metadata field that holds the ids which your labels use; `None` takes the
            documents' own ids.

    Raises:
        InvalidInputError: When the function is called: a document has no such id.

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
