"""The same answer in both frameworks: texts, metadata with the scores, and order."""

import pytest
from langchain_core.documents import Document
from llama_index.core.schema import NodeWithScore, TextNode

from bge_rerank.demo.collection import demo_collection
from langchain_bge_rerank import BGERerankerCompressor
from llamaindex_bge_rerank import BGERerankerPostprocessor

COLLECTION = demo_collection()


@pytest.mark.parametrize(
    "fields",
    [
        {"top_n": None},
        {"top_n": 3, "score_threshold": 0.05},
        {"top_n": 5, "rank_fields": ["title"], "max_length": 96},
        {"top_n": 5, "fusion": "rrf", "min_retrieval_score": 0.3},
    ],
)
@pytest.mark.parametrize("question", list(COLLECTION.questions.values())[::20])
def test_both_give_the_same_texts_metadata_and_order(
    question: str, fields: dict[str, object]
) -> None:
    passages = COLLECTION.passages[:40]
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
