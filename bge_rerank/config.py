"""`ScorerConfig`: which model, how to run it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DEFAULT_MODEL = "BAAI/bge-reranker-v2-m3"

Dtype = Literal["auto", "float32", "float16", "bfloat16"]
"""A precision; `"auto"` is float32 on CPU and float16 on an accelerator."""


@dataclass(frozen=True, slots=True)
class ScorerConfig:
    """Everything that decides which weights are loaded and how they run; hashable.

    Attributes:
        model_name: A hub repository, a local folder, or `"mini"` (the package `bge-rerank-mini`).
        backend: `"torch"`, `"flag"`, or `"auto"`: by the model's config.
        revision: A branch, tag or commit of the hub repository; `None` is its main branch.
        cache_dir: Where hub files are kept; `None` is the hub client's own folder.
        local_files_only: Never ask the hub; use what is in the cache.
        device: A torch device such as `"cpu"` or `"cuda:1"`; `None` takes the accelerator where
            there is one.
        dtype: The precision of weights and activations.
        max_length: The longest sequence in tokens, query and special tokens included; `None` is
            what BAAI recommends for the model.
        max_batch_tokens: The token budget of a batch (`torch`): rows times the longest row;
            `None` is chosen by the device.
        trust_remote_code: Run code that the model's repository brings. Only for sources you trust.
        cutoff_layers: The layer to score at, as a list of one (`flag`, layerwise and lightweight
            models only); `None` is what BAAI recommends.
    """

    model_name: str = DEFAULT_MODEL
    backend: str = "auto"
    revision: str | None = None
    cache_dir: str | None = None
    local_files_only: bool = False
    device: str | None = None
    dtype: Dtype = "auto"
    max_length: int | None = None
    max_batch_tokens: int | None = None
    trust_remote_code: bool = False
    cutoff_layers: tuple[int, ...] | None = None
