from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore

from adapter_contract import ITEMS, AdapterContract, FixedScorer, Item
from bge_rerank import InvalidInputError
from conftest import QUERY
from langchain_bge_rerank import BGERerankerCompressor, BGERerankerRetriever
from retriever_contract import Find, RetrieverContract, finding


class TestCompressor(AdapterContract):
    adapter = BGERerankerCompressor
    items = "documents"
    instead = r"Document\(page_content=...\)"

    def make(self, item: Item) -> Document:
        return Document(item.text, id=item.id, metadata=item.metadata)

    def read(self, made: Document) -> Item:
        return Item(str(made.id), made.page_content, made.metadata)

    def call(self, adapter: Any, made: Any, query: str) -> list[Any]:
        return list(adapter.compress_documents(made, query))

    async def acall(self, adapter: Any, made: Any, query: str) -> list[Any]:
        return list(await adapter.acompress_documents(made, query))


class Found(BaseRetriever):
    """A retriever of the items that a function returns."""

    find: Find

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return [
            Document(item.text, id=item.id, metadata=item.metadata) for item in self.find(query)
        ]


class TestRetriever(RetrieverContract):
    def make(self, find: Find, **fields: Any) -> BGERerankerRetriever:
        return BGERerankerRetriever(
            retriever=Found(find=find), compressor=BGERerankerCompressor(**fields)
        )

    def adapter(self, retriever: Any) -> BGERerankerCompressor:
        compressor: BGERerankerCompressor = retriever.compressor
        return compressor

    def ask(self, retriever: Any, query: str) -> list[Item]:
        return [_item(document) for document in retriever.invoke(query)]

    async def aask(self, retriever: Any, query: str) -> list[Item]:
        return [_item(document) for document in await retriever.ainvoke(query)]


def _item(document: Document) -> Item:
    return Item(str(document.id), document.page_content, document.metadata)


class Runs(BaseCallbackHandler):
    """A handler that records the runs that start, end and fail."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        self.seen.append((f"start {kwargs['name']}", inputs["query"]))

    def on_chain_end(self, outputs: Any, **kwargs: Any) -> None:
        self.seen.append(("end", [document.id for document in outputs]))

    def on_chain_error(self, error: BaseException, **kwargs: Any) -> None:
        self.seen.append(("error", type(error)))


def documents() -> list[Document]:
    return [Document(item.text, id=item.id) for item in ITEMS]


def test_a_call_is_a_run_under_its_callbacks() -> None:
    runs = Runs()
    compressor = BGERerankerCompressor(scorer=FixedScorer([0, 2, -2, 1]), top_n=1)
    compressor.compress_documents(documents(), QUERY, callbacks=[runs])
    assert runs.seen == [("start BGERerankerCompressor", QUERY), ("end", ["1"])]


async def test_an_async_call_is_a_run_under_its_callbacks() -> None:
    runs = Runs()
    compressor = BGERerankerCompressor(scorer=FixedScorer([0, 2, -2, 1]), top_n=1)
    await compressor.acompress_documents(documents(), QUERY, callbacks=[runs])
    assert runs.seen == [("start BGERerankerCompressor", QUERY), ("end", ["1"])]


def test_a_failed_call_ends_its_run_with_the_error() -> None:
    runs = Runs()
    compressor = BGERerankerCompressor(scorer=FixedScorer([0.0]))
    with pytest.raises(InvalidInputError):
        compressor.compress_documents(documents(), "", callbacks=[runs])
    assert runs.seen == [("start BGERerankerCompressor", ""), ("error", InvalidInputError)]


def test_the_minimum_is_compared_with_the_chosen_metadata_field() -> None:
    found = [
        Document(item.text, id=item.id, metadata={"similarity": place / 4, "retrieval_score": 0.0})
        for place, item in enumerate(ITEMS)
    ]
    compressor = BGERerankerCompressor(
        scorer=FixedScorer([0, 1]), min_retrieval_score=0.5, retrieval_score_key="similarity"
    )
    out = compressor.compress_documents(found, QUERY)
    assert [document.id for document in out] == ["3", "2"]
    assert [document.metadata["similarity"] for document in out] == [0.75, 0.5]
    assert [document.metadata["retrieval_score"] for document in out] == [0.0, 0.0]


@pytest.mark.parametrize("metadata", [{}, {"retrieval_score": "0.9"}, {"retrieval_score": True}])
def test_a_document_without_a_number_in_the_metadata_field_is_named(
    metadata: dict[str, Any],
) -> None:
    found = [Document("The Moon.", metadata=metadata)]
    compressor = BGERerankerCompressor(scorer=FixedScorer([0.0]), min_retrieval_score=0.5)
    score = repr(metadata.get("retrieval_score"))
    message = rf"candidate 0 of 0..0 has {score} as its metadata\['retrieval_score'\]"
    with pytest.raises(InvalidInputError, match=message):
        compressor.compress_documents(found, QUERY)


def test_a_document_of_a_subclass_keeps_its_class() -> None:
    class Page(Document):
        number: int

    page = Page("The Moon.", number=4)
    [out] = BGERerankerCompressor(scorer=FixedScorer([0.0])).compress_documents([page], QUERY)
    assert isinstance(out, Page)
    assert out.number == 4


class Tree(BaseCallbackHandler):
    """A handler that records each started run with its parent's name, and counts ended runs."""

    def __init__(self) -> None:
        self.names: dict[Any, str] = {None: "nothing"}
        self.started: list[tuple[str, str]] = []
        self.ended = 0

    def _start(self, run_id: Any, parent_run_id: Any, name: str) -> None:
        self.names[run_id] = name
        self.started.append((name, self.names[parent_run_id]))

    def on_retriever_start(self, serialized: Any, query: str, **kwargs: Any) -> None:
        self._start(kwargs["run_id"], kwargs["parent_run_id"], kwargs["name"])

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        self._start(kwargs["run_id"], kwargs["parent_run_id"], kwargs["name"])

    def on_retriever_end(self, documents: Any, **kwargs: Any) -> None:
        self.ended += 1

    def on_chain_end(self, outputs: Any, **kwargs: Any) -> None:
        self.ended += 1


def reranking_retriever(**fields: Any) -> BGERerankerRetriever:
    return BGERerankerRetriever(
        retriever=Found(find=finding()),
        compressor=BGERerankerCompressor(scorer=FixedScorer([0, 2, -2, 1]), **fields),
    )


@pytest.mark.parametrize("on_ranking", [None, print])
async def test_retrieval_and_reranking_are_runs_below_the_run_of_the_retriever(
    on_ranking: Any,
) -> None:
    retriever = reranking_retriever(on_ranking=on_ranking)
    synced, awaited = Tree(), Tree()
    retriever.invoke(QUERY, {"callbacks": [synced]})
    await retriever.ainvoke(QUERY, {"callbacks": [awaited]})
    for tree in (synced, awaited):
        assert tree.started == [
            ("BGERerankerRetriever", "nothing"),
            ("Found", "BGERerankerRetriever"),
            ("BGERerankerCompressor", "BGERerankerRetriever"),
        ]
        assert tree.ended == 3


def test_extra_arguments_of_a_call_are_passed_to_the_first_stage() -> None:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    store.add_documents(documents())
    retriever = BGERerankerRetriever(
        retriever=store.as_retriever(search_kwargs={"k": 4}),
        compressor=BGERerankerCompressor(scorer=FixedScorer([0.0] * 4), top_n=None),
    )
    assert len(retriever.invoke(QUERY)) == 4
    assert len(retriever.invoke(QUERY, k=2)) == 2


def test_any_runnable_can_be_the_first_stage() -> None:
    retriever = BGERerankerRetriever(
        retriever=RunnableLambda(lambda query: documents()).with_retry(),
        compressor=BGERerankerCompressor(scorer=FixedScorer([0, 2, -2, 1]), top_n=1),
    )
    assert [document.id for document in retriever.invoke(QUERY)] == ["1"]


def test_no_dump_or_repr_of_the_retriever_contains_a_secret() -> None:
    retriever = BGERerankerRetriever(
        retriever=Found(find=finding()),
        compressor=BGERerankerCompressor(backend="cohere", api_key="sk-secret", on_ranking=print),
    )
    for told in (repr(retriever), str(retriever.model_dump()), str(retriever.to_json())):
        assert "sk-secret" not in told
        assert "on_ranking" not in told
