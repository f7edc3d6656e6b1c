"""The backends by name: the class of each, and the extra that installs its packages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

from bge_rerank.extras import needs_extra
from bge_rerank.types import Scorer


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend's class, the library that it needs, and the extra that installs the library."""

    module: str
    class_name: str
    library: str
    extra: str
    is_server: bool = False
    reads: tuple[str, ...] = ()
    """The options that it reads and most backends do not."""


_SERVER = Backend(
    "bge_rerank.backends.http.scorer", "HttpScorer", "httpx", extra="http", is_server=True
)

BACKENDS = {
    "torch": Backend("bge_rerank.backends.torch.scorer", "TorchScorer", "torch", extra="torch"),
    "openvino": Backend(
        "bge_rerank.backends.exported.openvino", "OpenVinoScorer", "openvino", extra="openvino"
    ),
    "onnx": Backend("bge_rerank.backends.exported.onnx", "OnnxScorer", "onnxruntime", extra="onnx"),
    "flag": Backend(
        "bge_rerank.backends.flag.scorer",
        "FlagScorer",
        "FlagEmbedding",
        extra="flag",
        reads=("cutoff_layers",),
    ),
    "sentence-transformers": Backend(
        "bge_rerank.backends.sentence_transformers.scorer",
        "SentenceTransformersScorer",
        "sentence_transformers",
        extra="sentence-transformers",
        reads=("prompt",),
    ),
    "m3-sparse": Backend(
        "bge_rerank.backends.flag.m3_sparse", "M3SparseScorer", "FlagEmbedding", extra="flag"
    ),
    **dict.fromkeys(("tei", "vllm", "infinity", "llamacpp", "cohere", "jina"), _SERVER),
}
"""Each class takes a `ScorerConfig` whose backend is not `"auto"`. It loads weights, or asks a server."""

RUNTIMES = ("openvino", "onnx")
"""The backends that run an exported graph, fastest first."""


def readers(option: str) -> list[str]:
    """Return the names of the backends that read an option; none if all of them do.

    >>> readers("prompt"), readers("dtype")
    (['sentence-transformers'], [])
    """
    return [name for name, backend in BACKENDS.items() if option in backend.reads]


def is_installed(name: str) -> bool:
    """Return whether a backend's library is installed, without importing it."""
    return find_spec(BACKENDS[name].library) is not None


def asks_server(name: str) -> bool:
    """Return whether a backend asks a server instead of running a model.

    >>> asks_server("tei"), asks_server("torch"), asks_server("auto")
    (True, False, False)
    """
    return name in BACKENDS and BACKENDS[name].is_server


def backend_names() -> list[str]:
    """Return the valid values of `backend`, sorted.

    >>> backend_names()[:2]
    ['auto', 'cohere']
    """
    return sorted(["auto", *BACKENDS])


def scorer_class(name: str) -> Callable[..., Scorer]:
    """Import the class of a backend.

    Raises:
        MissingDependencyError: A package that it imports is not installed.
    """
    backend = BACKENDS[name]
    with needs_extra(backend.extra, f"the {name!r} backend"):
        module = import_module(backend.module)
    constructor: Callable[..., Scorer] = getattr(module, backend.class_name)
    return constructor
