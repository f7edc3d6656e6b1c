"""Clients of rerank servers from other packages, called as their documentation shows.

This is a script for separate environments: `foreign_clients.py GROUP URL KEY ...`. It prints a line for each
client of a group: its name, and for each key its ranking as `[[index, score], ...]`, or its error.
"""

import json
import sys
from collections.abc import Callable, Sequence

QUERY = "what causes tides"
PASSAGES = [
    "Bread rises because yeast makes carbon dioxide.",
    "The Moon's gravity raises two bulges of water: the tides.",
    "A tide table lists the times of high water for a harbour.",
    "Gezeiten: der Mond zieht das Wasser an, 潮汐.",
]
TOP_N = 3
Answer = list[tuple[int, float]]


def cohere_v1(url: str, key: str) -> Answer:
    import cohere

    answer = cohere.Client(key, base_url=url).rerank(
        model="m", query=QUERY, documents=PASSAGES, top_n=TOP_N, return_documents=True
    )
    assert [result.document.text for result in answer.results] == [
        PASSAGES[result.index] for result in answer.results
    ]
    return [(result.index, result.relevance_score) for result in answer.results]


def cohere_v1_objects(url: str, key: str) -> Answer:
    import cohere

    answer = cohere.Client(key, base_url=url).rerank(
        query=QUERY, documents=[{"text": passage} for passage in PASSAGES], top_n=TOP_N
    )
    return [(result.index, result.relevance_score) for result in answer.results]


def cohere_v2(url: str, key: str) -> Answer:
    import cohere

    answer = cohere.ClientV2(key, base_url=url).rerank(
        model="m", query=QUERY, documents=PASSAGES, top_n=TOP_N, max_tokens_per_doc=4096
    )
    return [(result.index, result.relevance_score) for result in answer.results]


def cohere_v2_async(url: str, key: str) -> Answer:
    import asyncio

    import cohere

    async def ask() -> Answer:
        client = cohere.AsyncClientV2(key, base_url=url)
        answer = await client.rerank(model="m", query=QUERY, documents=PASSAGES, top_n=TOP_N)
        return [(result.index, result.relevance_score) for result in answer.results]

    return asyncio.run(ask())


def langchain_cohere(url: str, key: str) -> Answer:
    from langchain_cohere import CohereRerank

    compressor = CohereRerank(model="m", base_url=url, cohere_api_key=key, top_n=TOP_N)
    return _of_documents(compressor)


def litellm_cohere(url: str, key: str) -> Answer:
    return _litellm("cohere/m", url, key)


def litellm_jina(url: str, key: str) -> Answer:
    return _litellm("jina_ai/m", url, key)


def litellm_infinity(url: str, key: str) -> Answer:
    return _litellm("infinity/m", url, key)


def litellm_tei(url: str, key: str) -> Answer:
    return _litellm("huggingface/m", url, key)


def litellm_vllm(url: str, key: str) -> Answer:
    # It sends Infinity's format but expects documents in vLLM's format, so it must not ask for documents.
    return _litellm("hosted_vllm/m", url, key, return_documents=False)


def _litellm(model: str, url: str, key: str, *, return_documents: bool = True) -> Answer:
    import litellm

    answer = litellm.rerank(
        model=model,
        query=QUERY,
        documents=PASSAGES,
        top_n=TOP_N,
        return_documents=return_documents,
        api_base=url,
        api_key=key,
    )
    return [(result["index"], result["relevance_score"]) for result in answer.results]


def llama_index_tei(url: str, key: str) -> Answer:
    from llama_index.postprocessor.tei_rerank import TextEmbeddingInference

    postprocessor = TextEmbeddingInference(
        base_url=url, top_n=TOP_N, model_name="m", auth_token=f"Bearer {key}"
    )
    return _of_nodes(postprocessor)


def llama_index_cohere(url: str, key: str) -> Answer:
    from llama_index.postprocessor.cohere_rerank import CohereRerank

    return _of_nodes(CohereRerank(base_url=url, top_n=TOP_N, model="m", api_key=key))


def langchain_community_infinity(url: str, key: str) -> Answer:
    from infinity_client import Client
    from langchain_community.document_compressors import InfinityRerank

    headers = {"Authorization": f"Bearer {key}"}
    client = Client(base_url=url, headers=headers, raise_on_unexpected_status=True)
    return _of_documents(InfinityRerank(client=client, model="m", top_n=TOP_N))


def langchain_community_jina(url: str, key: str) -> Answer:
    from langchain_community.document_compressors import JinaRerank, jina_rerank

    # The address is a constant of the module, and the only way to choose a server.
    jina_rerank.JINA_API_URL = f"{url}/v1/rerank"
    return _of_documents(JinaRerank(model="m", jina_api_key=key, top_n=TOP_N))


def _of_documents(compressor: object) -> Answer:
    from langchain_core.documents import Document

    documents = [Document(passage, id=str(at)) for at, passage in enumerate(PASSAGES)]
    kept = compressor.compress_documents(documents, QUERY)
    return [
        (PASSAGES.index(document.page_content), document.metadata["relevance_score"])
        for document in kept
    ]


def _of_nodes(postprocessor: object) -> Answer:
    from llama_index.core.schema import NodeWithScore, TextNode

    nodes = [NodeWithScore(node=TextNode(text=passage)) for passage in PASSAGES]
    kept = postprocessor.postprocess_nodes(nodes, query_str=QUERY)
    return [(PASSAGES.index(node.text), node.score) for node in kept]


Client = Callable[[str, str], Answer]
CLIENTS: Sequence[Client] = (
    cohere_v1,
    cohere_v1_objects,
    cohere_v2,
    cohere_v2_async,
    langchain_cohere,
    litellm_cohere,
    litellm_jina,
    litellm_infinity,
    litellm_tei,
    litellm_vllm,
    llama_index_cohere,
    llama_index_tei,
)
LANGCHAIN_COMMUNITY: Sequence[Client] = (
    langchain_community_infinity,
    langchain_community_jina,
)


def said(client: Client, url: str, key: str) -> Answer | str:
    try:
        return client(url, key)
    except Exception as error:  # noqa: BLE001 - the test looks at every error of a client
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    group, to, *keys = sys.argv[1:]
    for asking in globals()[group]:
        print(json.dumps([asking.__name__, *(said(asking, to, key) for key in keys)]))
