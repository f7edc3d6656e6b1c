"""`ScorerConfig`: which model, how to run it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DEFAULT_MODEL = "BAAI/bge-reranker-v2-m3"

Dtype = Literal["auto", "float32", "float16", "bfloat16"]
"""A precision; `"auto"` is that of the export for exported models, else what the device computes fast
in: float16 on accelerators, bfloat16 on CPUs with instructions for it, float32 on the others. `flag`
keeps to float32 on every CPU, as FlagEmbedding does."""


@dataclass(frozen=True, slots=True)
class ScorerConfig:
    """Everything that decides which weights are loaded and how they run; hashable.

    Attributes:
        model_name: A hub repository, a local folder, or `"mini"` (the package `bge-rerank-mini`).
        backend: `"torch"`, `"onnx"`, `"openvino"`, `"flag"`, or `"auto"`: the fastest of those
            that are installed and can run the model.
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
            which several processes may share, or `None` for nowhere.
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
