"""`first_stage`: a LlamaIndex retriever as what `bge_rerank.evaluation.evaluate` asks for candidates."""

from __future__ import annotations

from collections.abc import Callable

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import MetadataMode, NodeWithScore

from bge_rerank.errors import InvalidInputError


def first_stage(
    retriever: BaseRetriever, id_key: str | None = None
) -> Callable[[str], list[tuple[str, str]]]:
    """Return a function that takes a query and gives (id, text) pairs, best first.

    Args:
        retriever: Of an index, `index.as_retriever(similarity_top_k=50)`, or one of your own.
        id_key: The metadata field that holds the ids which your labels use; `None` takes the
            nodes' own ids.

    Raises:
        InvalidInputError: When it is asked: a node has no such id.

    >>> from llama_index.core import MockEmbedding, VectorStoreIndex
    >>> from llama_index.core.schema import TextNode
    >>> node = TextNode(text="The Moon raises the tides.", id_="moon")
    >>> index = VectorStoreIndex([node], embed_model=MockEmbedding(8))
    >>> first_stage(index.as_retriever())("what causes tides")
    [('moon', 'The Moon raises the tides.')]
    """

    def find(query: str) -> list[tuple[str, str]]:
        return [
            (_id(found, id_key), found.node.get_content(MetadataMode.NONE))
            for found in retriever.retrieve(query)
        ]

    return find


def _id(found: NodeWithScore, id_key: str | None) -> str:
    id_ = found.node.node_id if id_key is None else found.node.metadata.get(id_key)
    if id_ is None:
        raise InvalidInputError(
            f"a node has no metadata {id_key!r}: {found.node.get_content()!r:.80}; "
            "give the id_key of the ids that your labels use"
        )
    return str(id_)
