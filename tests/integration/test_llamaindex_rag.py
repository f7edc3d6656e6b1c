"""In a real LlamaIndex query engine over a real store."""

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.llms import MockLLM

from bge_rerank.demo.collection import demo_collection
from bge_rerank.demo.pipelines import embedded_chroma, llamaindex_index
from llamaindex_bge_rerank import BGERerankerPostprocessor

QUESTION_ID = "observatory-q4"
QUESTION = demo_collection().questions[QUESTION_ID]
ANSWERS = {
    passage for passage, grade in demo_collection().judgements[QUESTION_ID].items() if grade == 2
}


@pytest.fixture(scope="module")
def index() -> VectorStoreIndex:
    passages = [passage for passage in demo_collection().passages if "observatory" in passage.id]
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
    # MockLLM answers with its prompt: the context must not hold our scores.
    assert response.source_nodes[0].text in str(response)
    assert "rerank_score" not in str(response)
    assert "retrieval_score" not in str(response)


async def test_the_query_engine_gives_the_same_async(index: VectorStoreIndex) -> None:
    engine = index.as_query_engine(
        llm=MockLLM(),
        similarity_top_k=12,
        node_postprocessors=[BGERerankerPostprocessor(model_name="mini", top_n=2)],
    )
    response = await engine.aquery(QUESTION)
    ids = [node.node_id for node in response.source_nodes]
    assert ids == [node.node_id for node in engine.query(QUESTION).source_nodes]
