"""The adapter in a real LlamaIndex query engine over a real store."""

from pathlib import Path

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine

from bge_rerank import Ranking
from bge_rerank.data.demo import demo_collection
from llamaindex_bge_rerank import BGERerankerPostprocessor, BGERerankerRetriever

QUESTION_ID = "observatory-q4"
QUESTION = demo_collection().questions[QUESTION_ID]
ANSWERS = {
    passage for passage, grade in demo_collection().judgements[QUESTION_ID].items() if grade == 2
}


@pytest.fixture(scope="module")
def index(mini: Path) -> VectorStoreIndex:
    passages = [passage for passage in demo_collection().passages if "observatory" in passage.id]
    # It takes seconds to import, and the quick run does not need it.
    from bge_rerank.cli.demo.pipelines import embedded_chroma, llamaindex_index

    return llamaindex_index(embedded_chroma(), passages)


def test_the_query_engine_reads_the_answer_first(index: VectorStoreIndex) -> None:
    engine = index.as_query_engine(
        llm=MockLLM(),
        similarity_top_k=12,
        node_postprocessors=[BGERerankerPostprocessor(model_name="mini", top_n=2)],
    )
    response = engine.query(QUESTION)
    assert len(response.source_nodes) == 2
    assert response.source_nodes[0].node_id in ANSWERS
    # MockLLM answers with its prompt, which must not contain our scores.
    assert response.source_nodes[0].text in str(response)
    assert "rerank_score" not in str(response)
    assert "retrieval_score" not in str(response)


async def test_the_query_engine_returns_the_same_async(index: VectorStoreIndex) -> None:
    engine = index.as_query_engine(
        llm=MockLLM(),
        similarity_top_k=12,
        node_postprocessors=[BGERerankerPostprocessor(model_name="mini", top_n=2)],
    )
    response = await engine.aquery(QUESTION)
    ids = [node.node_id for node in response.source_nodes]
    assert ids == [node.node_id for node in engine.query(QUESTION).source_nodes]


async def test_a_cascade_of_dense_lexical_and_cross_encoder_reports_each_tier(
    index: VectorStoreIndex,
) -> None:
    rankings: list[Ranking] = []
    cascade = BGERerankerRetriever(
        index.as_retriever(similarity_top_k=12),
        BGERerankerPostprocessor(
            model_name="mini", prefilter="bm25", keep=8, top_n=2, on_ranking=rankings.append
        ),
    )
    engine = RetrieverQueryEngine.from_args(cascade, llm=MockLLM())
    synced = [found.node_id for found in engine.query(QUESTION).source_nodes]
    awaited = [found.node_id for found in (await engine.aquery(QUESTION)).source_nodes]
    assert synced == awaited
    assert synced[0] in ANSWERS
    for ranking in rankings:
        tiers = [(tier.name, tier.received, tier.kept) for tier in ranking.tiers]
        assert tiers == [("retriever", None, 12), ("bm25", 12, 8), ("mini", 8, 2)]
        assert "retriever found 12" in ranking._repr_html_()
    assert len(rankings) == 2
