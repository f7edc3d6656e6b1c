"""The adapter in real LangChain pipelines: a store, a retriever, a chain."""

from pathlib import Path

import pytest
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_classic.retrievers.document_compressors import (
    CrossEncoderReranker,
    DocumentCompressorPipeline,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_text_splitters import RecursiveCharacterTextSplitter

from bge_rerank import Ranking, load_scorer
from bge_rerank.data.demo import demo_collection
from langchain_bge_rerank import BGECrossEncoder, BGERerankerCompressor, BGERerankerRetriever

QUESTION_ID = "observatory-q4"
QUESTION = demo_collection().questions[QUESTION_ID]
ANSWERS = {
    passage for passage, grade in demo_collection().judgements[QUESTION_ID].items() if grade == 2
}


@pytest.fixture(scope="module")
def retriever(mini: Path) -> BaseRetriever:
    passages = [passage for passage in demo_collection().passages if "observatory" in passage.id]
    # It takes seconds to import, and the quick run does not need it.
    from bge_rerank.cli.demo.pipelines import embedded_chroma, langchain_retriever

    return langchain_retriever(embedded_chroma(), passages, depth=12)


def compression(retriever: BaseRetriever, **fields: object) -> ContextualCompressionRetriever:
    compressor = BGERerankerCompressor.model_validate({"model_name": "mini", **fields})
    return ContextualCompressionRetriever(base_compressor=compressor, base_retriever=retriever)


def test_the_reranked_retriever_finds_the_answer_first(retriever: BaseRetriever) -> None:
    documents = compression(retriever, top_n=2).invoke(QUESTION)
    assert len(documents) == 2
    assert documents[0].id in ANSWERS


def test_the_documents_of_the_store_are_not_changed(retriever: BaseRetriever) -> None:
    compression(retriever).invoke(QUESTION)
    assert all("rerank_score" not in document.metadata for document in retriever.invoke(QUESTION))


async def test_the_reranked_retriever_returns_the_same_async(retriever: BaseRetriever) -> None:
    reranked = compression(retriever)
    assert await reranked.ainvoke(QUESTION) == reranked.invoke(QUESTION)


def test_a_chain_prints_the_rerank_score(retriever: BaseRetriever) -> None:
    def format_docs(documents: list[Document]) -> str:
        return "\n".join(
            f"[{document.metadata['rerank_score']:.3f}] {document.page_content}"
            for document in documents
        )

    chain = compression(retriever, top_n=2) | RunnableLambda(format_docs)
    first, second = chain.invoke(QUESTION).split("\n")
    assert float(first[1:6]) >= float(second[1:6])


def test_the_cross_encoder_works_in_langchains_own_reranker(retriever: BaseRetriever) -> None:
    documents = retriever.invoke(QUESTION)
    reranker = CrossEncoderReranker(model=BGECrossEncoder(load_scorer("mini")), top_n=4)
    ours = BGERerankerCompressor(model_name="mini", top_n=4).compress_documents(documents, QUESTION)
    theirs = reranker.compress_documents(documents, QUESTION)
    assert [document.id for document in theirs] == [document.id for document in ours]


def test_the_compressor_works_in_a_pipeline_behind_a_splitter(retriever: BaseRetriever) -> None:
    pipeline = DocumentCompressorPipeline(
        transformers=[
            RecursiveCharacterTextSplitter(chunk_size=200, chunk_overlap=0),
            BGERerankerCompressor(model_name="mini", top_n=3),
        ]
    )
    reranked = ContextualCompressionRetriever(base_compressor=pipeline, base_retriever=retriever)
    chunks = reranked.invoke(QUESTION)
    scores = [chunk.metadata["rerank_score"] for chunk in chunks]
    assert len(chunks) == 3
    assert scores == sorted(scores, reverse=True)
    assert all(len(chunk.page_content) <= 200 and chunk.metadata["title"] for chunk in chunks)


async def test_a_cascade_of_dense_lexical_and_cross_encoder_reports_each_tier(
    retriever: BaseRetriever,
) -> None:
    rankings: list[Ranking] = []
    cascade = BGERerankerRetriever(
        retriever=retriever,
        compressor=BGERerankerCompressor(
            model_name="mini", prefilter="bm25", keep=8, top_n=2, on_ranking=rankings.append
        ),
    )
    chain = cascade | RunnableLambda(lambda documents: [document.id for document in documents])
    synced = chain.invoke(QUESTION)
    awaited = await chain.ainvoke(QUESTION)
    assert synced == awaited
    assert synced[0] in ANSWERS
    for ranking in rankings:
        tiers = [(tier.name, tier.received, tier.kept) for tier in ranking.tiers]
        assert tiers == [("retriever", None, 12), ("bm25", 12, 8), ("mini", 8, 2)]
        assert "retriever found 12" in ranking._repr_html_()
    assert len(rankings) == 2
