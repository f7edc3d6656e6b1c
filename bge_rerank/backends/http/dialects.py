"""`DIALECTS`: how each kind of rerank server is asked, what it answers with, and what it takes.

Read in the servers' sources and official clients in November 2026: Text Embeddings Inference 1.9, vLLM,
Infinity, llama.cpp's server, Cohere's SDK; Jina's from its documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bge_rerank.backends.http.server_info import Scale, ServerInfo, tei_info, vllm_info


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, before it is put into a server's words.

    Attributes:
        max_length: The longest sequence in tokens; `None` is the server's own.
    """

    model_name: str
    query: str
    texts: Sequence[str]
    max_length: int | None
    info: ServerInfo


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one kind of server speaks.

    Attributes:
        path: The rerank route, below the base URL.
        results_field: The answer's field with the list of scores; `None` if the answer is the list.
        scale: What its scores are, unless the server's own information says so.
        max_texts: The most texts of a request, unless the server's own information says so.
        max_characters: The longest text. Longer texts are cut before they are sent.
        info_path: The route of the server's own information, below the base URL.
        too_large: Parts of the messages, in lower case, that refuse a request as too large. Such a
            request is halved, or its single text is cut, as after status 413.
        key_variable: The environment variable that the server's own client takes the key from.
    """

    path: str
    body: Callable[[Ask], dict[str, Any]]
    score_field: Literal["score", "relevance_score"] = "relevance_score"
    results_field: str | None = "results"
    scale: Scale = "logit"
    max_texts: int | None = None
    max_bytes: int | None = None
    max_characters: int | None = None
    info_path: str | None = None
    read_info: Callable[[Mapping[str, Any]], ServerInfo] = lambda _: ServerInfo()
    too_large: tuple[str, ...] = ()
    public_url: str | None = None
    key_variable: str | None = None


def _tei(ask: Ask) -> dict[str, Any]:
    return {"query": ask.query, "texts": list(ask.texts), "raw_scores": True, "truncate": True}


def _documents(ask: Ask) -> dict[str, Any]:
    return {"model": ask.model_name, "query": ask.query, "documents": list(ask.texts)}


def _vllm(ask: Ask) -> dict[str, Any]:
    # -1 is the model's own length. The two names are of older and newer versions.
    logits = {"activation": False, "use_activation": False}
    return {
        **_documents(ask),
        "truncate_prompt_tokens": -1 if ask.max_length is None else ask.max_length,
        **(logits if ask.info.scale == "logit" else {}),
    }


def _infinity(ask: Ask) -> dict[str, Any]:
    return {**_documents(ask), "raw_scores": True, "return_documents": False}


def _cohere(ask: Ask) -> dict[str, Any]:
    cut = {} if ask.max_length is None else {"max_tokens_per_doc": ask.max_length}
    return {**_documents(ask), **cut}


def _jina(ask: Ask) -> dict[str, Any]:
    return {**_documents(ask), "return_documents": False}


DIALECTS = {
    "tei": Dialect(
        path="/rerank",
        body=_tei,
        score_field="score",
        results_field=None,
        max_texts=32,
        max_bytes=2_000_000,
        info_path="/info",
        read_info=tei_info,
        too_large=("batch size",),
    ),
    "vllm": Dialect(
        path="/v1/rerank",
        body=_vllm,
        scale="sigmoid",
        info_path="/version",
        read_info=vllm_info,
        too_large=("maximum context length",),
    ),
    "infinity": Dialect(
        path="/rerank",
        body=_infinity,
        max_texts=2_048,
        max_characters=122_880,
        too_large=("list should have at most",),
    ),
    "llamacpp": Dialect(
        path="/v1/rerank",
        body=_documents,
        too_large=("too large to process", "context size"),
    ),
    "cohere": Dialect(
        path="/v2/rerank",
        body=_cohere,
        scale="sigmoid",
        max_texts=1_000,
        public_url="https://api.cohere.com",
        key_variable="CO_API_KEY",
    ),
    "jina": Dialect(
        path="/v1/rerank",
        body=_jina,
        scale="sigmoid",
        max_texts=1_000,
        public_url="https://api.jina.ai",
        key_variable="JINA_API_KEY",
    ),
}
"""By the backend's name. A sigmoid is made a logit again by its inverse, so `rerank_score` is the server's
own score; one that has rounded to 0 or 1 ties with its like. Cohere advises against more than 1,000
texts a request; Jina's limit is not known, and is taken to be the same."""
