"""The options of a scorer: `ModelOptions`, `LoadOptions`, `AskOptions`, and all of them in `ScorerConfig`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

from bge_rerank.models.options import (
    MILLISECONDS_OR_OFF,
    Checked,
    above_zero,
    again,
    one_of,
    option,
    options,
    whole_from,
)
from bge_rerank.models.registry import backend_names

DEFAULT_MODEL = "BAAI/bge-reranker-v2-m3"

Dtype = Literal["auto", "float32", "float16", "bfloat16", "int8"]
"""A precision of numbers. `"auto"` is an export's own precision. For other models it is the fastest one of the
device: float16 on accelerators, bfloat16 on CPUs that are faster with it, float32 on other CPUs. The `flag`
backend uses float32 on every CPU, as FlagEmbedding does. Only exported graphs run in `"int8"`."""

SpecialTokensInText = Literal["escape", "keep"]
"""How a special token's name in a text is read: as text (`"escape"`), or as the token (`"keep"`)."""


@runtime_checkable
class Secret(Protocol):
    """A string that its repr hides, such as pydantic's `SecretStr`."""

    def get_secret_value(self) -> str:
        """Return the string."""
        ...


class HiddenText:
    """A string that reprs and dumps hide. Pickles and copies contain it.

    >>> HiddenText("sk-1"), str(HiddenText("sk-1")), HiddenText("sk-1").get_secret_value()
    (HiddenText('***'), '***', 'sk-1')
    """

    __slots__ = ("_text",)  # so that it has no `vars()`

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self) -> str:
        """Return the string."""
        return self._text

    def __str__(self) -> str:
        return "***"

    def __repr__(self) -> str:
        return "HiddenText('***')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HiddenText) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


@options
class ModelOptions(Checked):
    """The model or the server that scores. Whatever takes a model's name takes these options."""

    model_name: str = option(
        default=DEFAULT_MODEL,
        doc="A hub repository, a local folder, or 'mini' (the package bge-rerank-mini). For a server, the name under which the server knows the model.",
        flag="--model",
        decides=True,
    )
    backend: str = option(
        default="auto",
        doc="The backend that scores. 'torch', 'openvino', 'onnx', 'flag' and 'sentence-transformers' run the model in this process; the last one runs rerankers of other makers. 'openvino' and 'onnx' run exported graphs, and export a model without one on first use. 'auto' chooses the fastest of these that is installed and can run the model. 'm3-sparse' scores by the lexical weights of BGE-M3, for a prefilter. 'tei', 'vllm', 'infinity', 'llamacpp', 'cohere' and 'jina' ask a server. For `bge-rerank serve` use 'tei'.",
        check=one_of(backend_names()),
        decides=True,
    )
    device: str | Sequence[str] | None = option(
        default=None,
        doc="A torch device such as 'cpu' or 'cuda:1'. With the 'torch' backend also a list of devices, which share the pairs of each call. None uses the accelerator if there is one, else the CPU.",
        decides=True,
    )
    dtype: Dtype = option(
        default="auto",
        doc="The precision of weights and activations. 'auto' is the precision of an exported model. For other models it is float16 on accelerators, bfloat16 on CPUs that multiply it faster than float32, and float32 on other CPUs. 'int8' runs only in 'openvino' and 'onnx'. If a model has graphs in several precisions, this option chooses among them.",
        decides=True,
    )
    max_length: int | None = option(
        default=None,
        doc="The longest pair in tokens: query, passage and special tokens. Longer pairs are truncated. None is the length that BAAI recommends for the model.",
        check=whole_from(1, ", or None for the model's recommended length"),
        decides=True,
    )
    revision: str | None = option(
        default=None,
        doc="A branch, tag or commit of the hub repository. None is its main branch.",
        decides=True,
    )
    score_cache: str | None = option(
        default=None,
        doc="Where to keep scores, so that each pair is scored once: 'memory', or a folder that several processes may share. None keeps no scores. With a server, its model name must always mean the same model.",
    )
    base_url: str | Sequence[str] | None = option(
        default=None,
        doc="The server's address without the endpoint, such as http://localhost:8080. Servers in a list are asked in turn, and a failing one is skipped for ten seconds. None is the public service of 'cohere' and 'jina'.",
        decides=True,
    )
    api_key: str | Secret | None = option(
        default=None,
        doc="The bearer token for the server. None reads CO_API_KEY for 'cohere' and JINA_API_KEY for 'jina' from the environment.",
        hidden=True,
    )

    def __post_init__(self) -> None:
        """Check each option, and hide the key."""
        super().__post_init__()
        if self.api_key is not None:
            object.__setattr__(self, "api_key", HiddenText(revealed(self.api_key)))


@options
class LoadOptions(Checked):
    """How to load a model and run it in this process."""

    cache_dir: str | None = option(
        default=None,
        doc="The folder for files from the hub. None is the hub client's default folder.",
    )
    local_files_only: bool = option(
        default=False,
        doc="Use only files that are already in the hub's cache, and never ask the hub.",
    )
    trust_remote_code: bool = option(
        default=False,
        doc="Run code from the model's repository. Use it only for repositories that you trust.",
    )
    threads: int | None = option(
        default=None,
        doc="The number of CPU threads. None uses every core. With 'torch' the number applies to the whole process.",
        check=whole_from(1, ", or None for every core"),
        decides=True,
    )
    max_batch_tokens: int | None = option(
        default=None,
        doc="The most tokens of a batch: its rows times its longest row. None chooses by the device.",
        check=whole_from(1, ", or None to choose by the device"),
    )
    cutoff_layers: Sequence[int] | None = option(
        default=None,
        doc="The layer whose output is scored, as a list of one number. Only for layerwise and lightweight models with the 'flag' backend. None is the layer that BAAI recommends.",
        decides=True,
    )
    prompt: str | None = option(
        default=None,
        doc="An instruction that the model reads before each pair, such as 'Find passages that answer the query' ('sentence-transformers' only). None is the model's own.",
        decides=True,
    )
    special_tokens_in_text: SpecialTokensInText = option(
        default="escape",
        doc="How to read the name of a special token in a query or passage, such as '[SEP]' or '</s>'. 'escape' reads it as text. 'keep' reads it as the special token, as FlagEmbedding does; the author of a passage can then raise its score. The 'flag' backend and servers ignore this option.",
        decides=True,
    )
    batch_wait_ms: float = option(
        default=2.0,
        doc="How long an async call waits for other async calls, in milliseconds. All calls that arrive in this time are scored in one pass. 0 gives every call a pass of its own.",
        check=MILLISECONDS_OR_OFF,
    )


@options
class AskOptions(Checked):
    """How to ask a server."""

    headers: Mapping[str, str | Secret] | None = option(
        default=None,
        doc="Additional headers of each request.",
        hidden=True,
    )
    timeout: float = option(
        default=30.0,
        doc="Seconds after which a single request fails.",
        check=above_zero("seconds"),
    )
    deadline: float = option(
        default=60.0,
        doc="Seconds after which a call fails, including all its requests and retries.",
        check=above_zero("seconds"),
    )
    verify: bool | str = option(
        default=True,
        doc="Whether to check the server's certificate. A path names a file with the certificates to trust.",
    )
    max_concurrent_requests: int = option(
        default=8,
        doc="The most requests that an event loop runs at the same time.",
        check=whole_from(1),
    )

    def __post_init__(self) -> None:
        """Check each option, and hide the headers' values."""
        super().__post_init__()
        if self.headers is not None:
            hidden = {name: HiddenText(revealed(value)) for name, value in self.headers.items()}
            object.__setattr__(self, "headers", _Headers(hidden))


@options
class ScorerConfig(AskOptions, LoadOptions, ModelOptions):
    """The options of `load_scorer`: which weights to load and how to run them, or which server to ask.

    Only model and backend can be passed by position. A configuration is hashable.

    >>> ScorerConfig("mini", device=["cuda:0", "cuda:1"]).device
    ('cuda:0', 'cuda:1')
    """

    model_name: str = again(default=ModelOptions.model_name, kw_only=False)
    backend: str = again(default=ModelOptions.backend, kw_only=False)


class _Headers(dict[str, HiddenText]):
    """Headers that can be hashed, as part of a configuration."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


def names_cpu(config: ModelOptions) -> bool:
    """Say whether the CPU is named as the only device, alone or in a list, as flags give it.

    >>> names_cpu(ScorerConfig(device=["cpu"])), names_cpu(ScorerConfig())
    (True, False)
    """
    return config.device in ("cpu", ("cpu",))


def revealed(text: str | Secret) -> str:
    """Return a string, taken out of its secret if it is one.

    >>> revealed(HiddenText("sk-1")), revealed("plain")
    ('sk-1', 'plain')
    """
    return text.get_secret_value() if isinstance(text, Secret) else text


def key_of(config: ScorerConfig) -> str | None:
    """Return the bearer token of a configuration as a plain string."""
    return None if config.api_key is None else revealed(config.api_key)


def headers_of(config: ScorerConfig) -> dict[str, str]:
    """Return the headers of a configuration as plain strings."""
    return {name: revealed(value) for name, value in (config.headers or {}).items()}
