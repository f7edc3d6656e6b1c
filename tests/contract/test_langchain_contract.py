from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document

from adapter_contract import ITEMS, AdapterContract, FixedScorer, Item
from bge_rerank import InvalidInputError
from conftest import QUERY
from langchain_bge_rerank import BGERerankerCompressor


class TestCompressor(AdapterContract):
    adapter = BGERerankerCompressor

    def make(self, item: Item) -> Document:
        return Document(item.text, id=item.id, metadata=item.metadata)

    def read(self, made: Document) -> Item:
        return Item(str(made.id), made.page_content, made.metadata)

    def call(self, adapter: Any, made: Sequence[Any], query: str) -> list[Any]:
        return list(adapter.compress_documents(made, query))

    async def acall(self, adapter: Any, made: Sequence[Any], query: str) -> list[Any]:
        return list(await adapter.acompress_documents(made, query))


class Runs(BaseCallbackHandler):
    """Notes the runs that start, end and fail."""

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


def test_the_minimum_is_compared_with_the_metadata_of_a_key() -> None:
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
def test_a_document_without_a_number_at_the_key_is_named(metadata: dict[str, Any]) -> None:
    found = [Document("The Moon.", metadata=metadata)]
    compressor = BGERerankerCompressor(scorer=FixedScorer([0.0]), min_retrieval_score=0.5)
    score = repr(metadata.get("retrieval_score"))
    message = rf"candidate 0 of 0..0 has {score} as its metadata\['retrieval_score'\]"
    with pytest.raises(InvalidInputError, match=message):
        compressor.compress_documents(found, QUERY)


def test_a_document_of_a_subclass_stays_one() -> None:
    class Page(Document):
        number: int

    page = Page("The Moon.", number=4)
    [out] = BGERerankerCompressor(scorer=FixedScorer([0.0])).compress_documents([page], QUERY)
    assert isinstance(out, Page)
    assert out.number == 4
