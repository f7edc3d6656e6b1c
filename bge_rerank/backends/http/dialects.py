"""`DIALECTS`: the wire format and the limits of each kind of rerank server.

They were read in November 2026 in the sources of Text Embeddings Inference 1.9, vLLM, Infinity, llama.cpp's server
and Cohere's SDK, and in Jina's documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bge_rerank.backends.http.server_info import Scale, ServerInfo, tei_info, vllm_info


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, before it is written in a server's wire format.

    Attributes:
        model_name: The server's name for the model.
        query: The query.
        texts: The texts to score.
        max_length: The longest pair in tokens; `None` is the server's default.
        info: The server's description of itself.
    """

    model_name: str
    query: str
    texts: Sequence[str]
    max_length: int | None
    info: ServerInfo


@dataclass(frozen=True, slots=True)
class Dialect:
    """The wire format of one kind of server.

    Attributes:
        path: The rerank route, below the base URL.
        body: Returns the body of a request.
        score_field: The field of a result that holds its score.
        results_field: The answer's field with the list of scores; `None` if the answer is the list.
        answer_object: The answer's field `object`; another value comes from another kind of server. `None`
            accepts all values.
        scale: The scale of its scores, unless the server's description states another.
        max_texts: The most texts of a request, unless the server's description states another number.
        max_bytes: The largest body in bytes.
        max_characters: The longest text. Longer texts are truncated before they are sent.
        info_path: The route of the server's description, below the base URL.
        read_info: Reads that description.
        tokens_path: The route that tells the tokens of texts, below the base URL. The format is that of
            `bge_rerank.backends.http.tokens`.
        too_large: Parts of messages, in lower case, by which the server refuses a request as too large. Such
            a request is halved, or its single text is truncated, as after status 413.
        public_url: The address of the public service.
        key_variable: The environment variable from which the service's own client reads the key.
    """

    path: str
    body: Callable[[Ask], dict[str, Any]]
    score_field: Literal["score", "relevance_score"] = "relevance_score"
    results_field: str | None = "results"
    answer_object: str | None = None
    scale: Scale = "logit"
    max_texts: int | None = None
    max_bytes: int | None = None
    max_characters: int | None = None
    info_path: str | None = None
    read_info: Callable[[Mapping[str, Any]], ServerInfo] = lambda _: ServerInfo()
    tokens_path: str | None = None
    too_large: tuple[str, ...] = ()
    public_url: str | None = None
    key_variable: str | None = None


def _tei(ask: Ask) -> dict[str, Any]:
    return {"query": ask.query, "texts": list(ask.texts), "raw_scores": True, "truncate": True}


def _documents(ask: Ask) -> dict[str, Any]:
    return {"model": ask.model_name, "query": ask.query, "documents": list(ask.texts)}


def _vllm(ask: Ask) -> dict[str, Any]:
    # -1 is the model's own length. Older and newer versions use different names for the activation.
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
        tokens_path="/tokenize",
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
        # Logits as they are: from other servers' /v1/rerank, probabilities would be taken for logits.
        answer_object="list",
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
"""The wire formats by the name of the backend. The logit of a sigmoid is its inverse, so `rerank_score` is the
server's own score. Scores that the server rounds to 0 or 1 tie. Cohere advises against more than 1,000 texts in a
request. Jina's limit is not known and is assumed to be the same."""
