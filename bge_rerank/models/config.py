"""How a model is loaded, or a server asked: `ModelOptions`, `LoadOptions`, `AskOptions`, and all of them in `ScorerConfig`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, get_args, runtime_checkable

from bge_rerank.models.options import (
    MILLISECONDS_OR_OFF,
    Check,
    Checked,
    above_zero,
    again,
    option,
    options,
    whole_from,
)
from bge_rerank.models.registry import backend_names

DEFAULT_MODEL = "BAAI/bge-reranker-v2-m3"

Dtype = Literal["auto", "float32", "float16", "bfloat16"]
"""A precision; `"auto"` is that of the export for exported models, else the one that the device computes
fastest in: float16 on accelerators, bfloat16 on CPUs with instructions for it, float32 on other CPUs.
`flag` keeps to float32 on every CPU, as FlagEmbedding does."""


SpecialTokensInText = Literal["escape", "keep"]
"""What a special token's name in a text is: text, or the token."""


@runtime_checkable
class Secret(Protocol):
    """A text that hides itself, such as pydantic's `SecretStr`."""

    def get_secret_value(self) -> str:
        """Return the text."""
        ...


class HiddenText:
    """A text that hides itself from reprs and dumps; a pickle and a copy hold it.

    >>> HiddenText("sk-1"), str(HiddenText("sk-1")), HiddenText("sk-1").get_secret_value()
    (HiddenText('***'), '***', 'sk-1')
    """

    __slots__ = ("_text",)  # so that it has no `vars()`

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self) -> str:
        """Return the text."""
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
    """Which model scores, or which server. These options can be given wherever a model is named."""

    model_name: str = option(
        default=DEFAULT_MODEL,
        doc="A hub repository, a local folder, or 'mini' (the package bge-rerank-mini). For a server, the name under which it serves the model.",
        flag="--model",
        decides=True,
    )
    backend: str = option(
        default="auto",
        doc="What scores. 'torch', 'openvino', 'onnx' and 'flag' run a model here; 'auto' takes the fastest of these that is installed and can run the model. 'm3-sparse' scores by the lexical weights of BGE-M3, for a prefilter. 'tei', 'vllm', 'infinity', 'llamacpp', 'cohere' and 'jina' ask a server.",
        check=Check(
            lambda name: name in backend_names(), f"; choose one of {', '.join(backend_names())}"
        ),
        decides=True,
    )
    device: str | Sequence[str] | None = option(
        default=None,
        doc="A torch device such as 'cpu' or 'cuda:1', or several, which share each call (torch only). None takes the accelerator where there is one.",
        decides=True,
    )
    dtype: Dtype = option(
        default="auto",
        doc="The precision of weights and activations. 'auto' is the precision of an exported model; else float16 on accelerators, bfloat16 on CPUs with instructions for it, float32 on other CPUs.",
        decides=True,
    )
    max_length: int | None = option(
        default=None,
        doc="The longest sequence in tokens: query, passage and special tokens. Longer pairs are cut. None takes the length that BAAI recommends for the model.",
        decides=True,
    )
    revision: str | None = option(
        default=None,
        doc="A branch, tag or commit of the hub repository. None takes its main branch.",
        decides=True,
    )
    score_cache: str | None = option(
        default=None,
        doc="Where scores are kept, so that a pair is scored once: 'memory', or a folder, which several processes may share. A server must keep the same model under one name.",
    )
    base_url: str | Sequence[str] | None = option(
        default=None,
        doc="The address of the server without its endpoint, such as http://localhost:8080. Several are asked in turn, and one that fails is left out for a while. None is the public service of 'cohere' and 'jina'.",
        decides=True,
    )
    api_key: str | Secret | None = option(
        default=None,
        doc="The bearer token for the server. None takes CO_API_KEY or JINA_API_KEY from the environment for 'cohere' and 'jina'.",
        hidden=True,
    )

    def __post_init__(self) -> None:
        """Check each option, and hide the key."""
        super().__post_init__()
        if self.api_key is not None:
            object.__setattr__(self, "api_key", HiddenText(revealed(self.api_key)))


@options
class LoadOptions(Checked):
    """How a model is loaded and run here."""

    cache_dir: str | None = option(
        default=None,
        doc="The folder for files from the hub. None is the hub client's own folder.",
    )
    local_files_only: bool = option(
        default=False,
        doc="Never ask the hub; use the files in its cache.",
    )
    trust_remote_code: bool = option(
        default=False,
        doc="Run code from the model's repository. Only for sources that you trust.",
    )
    threads: int | None = option(
        default=None,
        doc="CPU threads to compute with. None takes every core. With 'torch' the number holds for the whole process.",
        check=whole_from(1, ", or None for all"),
        decides=True,
    )
    max_batch_tokens: int | None = option(
        default=None,
        doc="The token budget of a batch: rows times the longest row. None is chosen by the device.",
        check=whole_from(1, ", or None"),
    )
    cutoff_layers: Sequence[int] | None = option(
        default=None,
        doc="The layer to score at, as a list of one ('flag', layerwise and lightweight models only). None is the layer that BAAI recommends.",
        decides=True,
    )
    prompt: str | None = option(
        default=None,
        doc="An instruction that the model reads before each pair, such as 'Find passages that answer the query' ('sentence-transformers' only). None is the model's own.",
        decides=True,
    )
    special_tokens_in_text: SpecialTokensInText = option(
        default="escape",
        doc="What a special token's name in a query or a passage is, such as '[SEP]' or '</s>'. 'escape' reads it as the text that it is. 'keep' lets it act as the special token, as FlagEmbedding does, so that who writes a passage can raise its score ('flag' and servers always do as they do).",
        check=Check(lambda how: how in get_args(SpecialTokensInText), "; give 'escape' or 'keep'"),
        decides=True,
    )
    batch_wait_ms: float = option(
        default=2.0,
        doc="How long the first of several concurrent await-ed calls waits for others, in milliseconds: all that arrive by then are scored in one pass. 0 makes every call a pass.",
        check=MILLISECONDS_OR_OFF,
    )


@options
class AskOptions(Checked):
    """How a server is asked."""

    headers: Mapping[str, str | Secret] | None = option(
        default=None,
        doc="Headers to send with each request.",
        hidden=True,
    )
    timeout: float = option(
        default=30.0,
        doc="Seconds until a single request is given up.",
        check=above_zero("seconds"),
    )
    deadline: float = option(
        default=60.0,
        doc="Seconds until a call is given up, with all its requests and further attempts.",
        check=above_zero("seconds"),
    )
    verify: bool | str = option(
        default=True,
        doc="Whether the server's certificate is checked, or a file of certificates to check it by.",
    )
    max_concurrent_requests: int = option(
        default=8,
        doc="How many requests of an event loop run at once.",
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
    """Everything that decides which weights are loaded, or which server is asked; hashable.

    `load_scorer` takes these options, model and backend also by place.

    >>> ScorerConfig("mini", device=["cuda:0", "cuda:1"]).device
    ('cuda:0', 'cuda:1')
    """

    model_name: str = again(default=ModelOptions.model_name, kw_only=False)
    backend: str = again(default=ModelOptions.backend, kw_only=False)


class _Headers(dict[str, HiddenText]):
    """Headers as a part of a configuration's hash."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


def revealed(text: str | Secret) -> str:
    """Return a text, also one that hides itself."""
    return text.get_secret_value() if isinstance(text, Secret) else text


def key_of(config: ScorerConfig) -> str | None:
    """Return the bearer token of a configuration, as text."""
    return None if config.api_key is None else revealed(config.api_key)


def headers_of(config: ScorerConfig) -> dict[str, str]:
    """Return the headers of a configuration, as text."""
    return {name: revealed(value) for name, value in (config.headers or {}).items()}
