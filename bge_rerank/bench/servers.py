"""A running server as a contender, in the two dialects that rerank servers speak."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

Rank = Callable[[str, Sequence[str]], list[float]]

TIMEOUT = 3_600.0
REQUESTS_AT_ONCE = 8


def tei(url: str, _folder: Path, _max_length: int) -> Rank:
    """Text Embeddings Inference: `POST /rerank`, in requests as large as it takes."""
    client = _client(url)
    largest = int(_json(client.get("/info"))["max_client_batch_size"])

    def part(query: str, texts: Sequence[str]) -> list[float]:
        body = {"query": query, "texts": list(texts), "raw_scores": True, "truncate": True}
        return _in_input_order(_json(client.post("/rerank", json=body)), "score")

    def rank(query: str, documents: Sequence[str]) -> list[float]:
        parts = [documents[start : start + largest] for start in range(0, len(documents), largest)]
        with ThreadPoolExecutor(REQUESTS_AT_ONCE) as executor:
            answers = executor.map(lambda texts: part(query, texts), parts)
            return [score for answer in answers for score in answer]

    return rank


def cohere(url: str, _folder: Path, _max_length: int) -> Rank:
    """Cohere, Jina, vLLM, Infinity and llama.cpp: `POST /v1/rerank`, all documents in one request."""
    client = _client(url)
    model = _json(client.get("/v1/models"))["data"][0]["id"]

    def rank(query: str, documents: Sequence[str]) -> list[float]:
        body = {"model": model, "query": query, "documents": list(documents)}
        answer = _json(client.post("/v1/rerank", json=body))
        return _in_input_order(answer["results"], "relevance_score")

    return rank


DIALECTS: dict[str, tuple[Callable[[str, Path, int], Rank], Literal["logit", "sigmoid"] | None]] = {
    "tei": (tei, "logit"),
    "cohere": (cohere, None),
}
"""By name: how a server is asked, and the scale of its scores (not the same in all servers)."""


def _client(url: str) -> Any:
    import httpx

    return httpx.Client(base_url=url, timeout=TIMEOUT)


def _json(response: Any) -> Any:
    response.raise_for_status()
    return response.json()


def _in_input_order(results: Sequence[dict[str, Any]], score: str) -> list[float]:
    return [float(result[score]) for result in sorted(results, key=lambda result: result["index"])]
