"""`ScorerConfig`: which model, how to run it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

DEFAULT_MODEL = "BAAI/bge-reranker-v2-m3"

Dtype = Literal["auto", "float32", "float16", "bfloat16"]
"""A precision; `"auto"` is that of the export for exported models, else what the device computes fast
in: float16 on accelerators, bfloat16 on CPUs with instructions for it, float32 on the others. `flag`
keeps to float32 on every CPU, as FlagEmbedding does."""


@dataclass(frozen=True, slots=True)
class ScorerConfig:
    """Everything that decides which weights are loaded, or which server is asked; hashable.

    Attributes:
        model_name: A hub repository, a local folder, or `"mini"` (the package `bge-rerank-mini`);
            for a server, what it calls the model.
        backend: `"torch"`, `"onnx"`, `"openvino"`, `"flag"`, or `"auto"`: the fastest of those
            that are installed and can run the model; `"m3-sparse"`: the lexical weights of BGE-M3,
            which score for a prefilter. `"tei"`, `"vllm"`, `"infinity"`, `"llamacpp"`,
            `"cohere"` and `"jina"` ask a server; what lies between `revision` and
            `batch_wait_ms`, `max_length` aside, is then the server's own matter.
        revision: A branch, tag or commit of the hub repository; `None` is its main branch.
        cache_dir: Where hub files are kept; `None` is the hub client's own folder.
        local_files_only: Never ask the hub; use what is in the cache.
        device: A torch device such as `"cpu"` or `"cuda:1"`, or several (`torch` only), which share
            each call; `None` takes the accelerator where there is one.
        dtype: The precision of weights and activations; see `Dtype`.
        max_length: The longest sequence in tokens, query and special tokens included; `None` is
            what BAAI recommends for the model.
        max_batch_tokens: The token budget of a batch: rows times the longest row; `None` is chosen
            by the device.
        threads: CPU threads to compute with; `None` leaves it to the backend, which takes every
            core. With `torch` the number is the process's own.
        trust_remote_code: Run code that the model's repository brings. Only for sources you trust.
        cutoff_layers: The layer to score at, as a list of one (`flag`, layerwise and lightweight
            models only); `None` is what BAAI recommends.
        batch_wait_ms: How long the first of several concurrent `await`ed calls on an event loop
            waits for the others, in milliseconds: all that came by then are scored in one pass.
            0 makes every call a pass.
        score_cache: Where scores are kept, so that a pair is scored once: `"memory"`, a folder,
            which several processes may share, or `None` for nowhere. With a server it is taken on
            trust that the model behind a name stays the same.
        base_url: Where the server is, up to its endpoint: `"http://localhost:8080"`. Several are
            asked in turn, and a failing one is left out for a while. `None` is the public service
            of `"cohere"` and `"jina"`.
        api_key: What the server wants as a bearer token; `None` is `CO_API_KEY` or `JINA_API_KEY`
            of the environment, for those two.
        headers: Names and values sent along with each request.
        timeout: Seconds until a single request is given up.
        deadline: Seconds until a call is given up, with all its requests and further attempts.
        verify: Whether the server's certificate is checked, or a file of certificates to check by.
        max_concurrent_requests: How many requests of an event loop run at once.
    """

    model_name: str = DEFAULT_MODEL
    backend: str = "auto"
    revision: str | None = None
    cache_dir: str | None = None
    local_files_only: bool = False
    device: str | tuple[str, ...] | None = None
    dtype: Dtype = "auto"
    max_length: int | None = None
    max_batch_tokens: int | None = None
    threads: int | None = None
    trust_remote_code: bool = False
    cutoff_layers: tuple[int, ...] | None = None
    batch_wait_ms: float = 2.0
    score_cache: str | None = None
    base_url: str | tuple[str, ...] | None = None
    api_key: str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] | None = field(default=None, repr=False)
    timeout: float = 30.0
    deadline: float = 60.0
    verify: bool | str = True
    max_concurrent_requests: int = 8
