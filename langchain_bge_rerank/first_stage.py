"""`first_stage`: a LangChain retriever as what `bge_rerank.evaluation.evaluate` asks for candidates."""

from __future__ import annotations

from collections.abc import Callable

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from bge_rerank.errors import InvalidInputError


def first_stage(
    retriever: BaseRetriever, id_key: str | None = None
) -> Callable[[str], list[tuple[str, str]]]:
    """Return a function that takes a query and gives (id, text) pairs, best first.

    Args:
        retriever: Give it as many documents to find as shall be reranked.
        id_key: The metadata field that holds the ids which your labels use; `None` takes the
            documents' own ids.

    Raises:
        InvalidInputError: When it is asked: a document has no such id.

    >>> from langchain_core.embeddings import DeterministicFakeEmbedding
    >>> from langchain_core.vectorstores import InMemoryVectorStore
    >>> store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    >>> _ = store.add_texts(["The Moon raises the tides."], [{"key": "moon"}])
    >>> first_stage(store.as_retriever(), "key")("what causes tides")
    [('moon', 'The Moon raises the tides.')]
    """

    def find(query: str) -> list[tuple[str, str]]:
        return [
            (_id(document, id_key), document.page_content) for document in retriever.invoke(query)
        ]

    return find


def _id(document: Document, id_key: str | None) -> str:
    id_ = document.id if id_key is None else document.metadata.get(id_key)
    if id_ is None:
        where = "id" if id_key is None else f"metadata {id_key!r}"
        raise InvalidInputError(
            f"a document has no {where}: {document.page_content!r:.80}; "
            "give the id_key of the ids that your labels use"
        )
    return str(id_)
