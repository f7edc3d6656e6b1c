"""`first_stage`: a LlamaIndex retriever as the first stage of an evaluation."""

from __future__ import annotations

from collections.abc import Callable

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import MetadataMode

from bge_rerank.adapters.metadata import labelled_id


def first_stage(
    retriever: BaseRetriever, id_key: str | None = None
) -> Callable[[str], list[tuple[str, str]]]:
    """Return a function from a query to (id, text) pairs, best first.

    Pass it to `bge_rerank.evaluation.evaluate` as `retriever`.

    Args:
        retriever: A retriever that finds as many nodes as you want to rerank, such as
            `index.as_retriever(similarity_top_k=50)`.
        id_key: The metadata field with the ids that your labels use. `None` uses each node's own id.

    Raises:
        InvalidInputError: A node has no such id. The returned function raises it.

    >>> from llama_index.core import MockEmbedding, VectorStoreIndex
    >>> from llama_index.core.schema import TextNode
    >>> node = TextNode(text="The Moon raises the tides.", id_="moon")
    >>> index = VectorStoreIndex([node], embed_model=MockEmbedding(8))
    >>> first_stage(index.as_retriever())("what causes tides")
    [('moon', 'The Moon raises the tides.')]
    """

    def find(query: str) -> list[tuple[str, str]]:
        found = []
        for node in (scored.node for scored in retriever.retrieve(query)):
            text = node.get_content(MetadataMode.NONE)
            found.append((labelled_id("node", node.node_id, node.metadata, id_key, text), text))
        return found

    return find
