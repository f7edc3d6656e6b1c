"""`choose_backend`: the fastest backend that is installed and can run the model, for `backend="auto"`."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from pathlib import Path

from bge_rerank.errors import MissingDependencyError, ModelLoadError
from bge_rerank.models.config import ScorerConfig, names_cpu
from bge_rerank.models.export_cache import cached_export
from bge_rerank.models.files import file_names, model_folder, read_config
from bge_rerank.models.graphs import Graph, find_graph, graphs_in, has_weights
from bge_rerank.models.registry import RUNTIMES, is_installed

logger = logging.getLogger(__name__)


MODULES_FILE = "modules.json"
"""The file in which sentence-transformers lists a model's modules."""
KIND_FILE = "config_sentence_transformers.json"
"""The file in which sentence-transformers says what kind of model the modules make."""


def choose_backend(config: ScorerConfig) -> str:
    """Choose a backend by the model, the installed packages and the device.

    Encoders that `bge-rerank export` exported run in `openvino`, or in `onnx` without OpenVINO, unless
    `device` names another device than the CPU. Those that have an export in the cache run in `openvino`.
    Encoders that have only a graph of another tool run there too. If they have weights, they run in `torch`,
    because nobody has compared the graph's scores with the model's. BAAI's LLM-based rerankers run in `flag`,
    and all other models in `sentence-transformers`.

    Raises:
        ModelLoadError: The model could not be found.
        MissingDependencyError: The package that runs the model is not installed.
    """
    backend, reason = _choose(config)
    logger.info("%s runs in backend %r, %s", config.model_name, backend, reason)
    return backend


def _choose(config: ScorerConfig) -> tuple[str, str]:
    model, names = read_config(config), file_names(config)
    is_classifier = model.architecture == "encoder" and not model.is_language_model
    if is_classifier and _on_cpu(config) and _graph(names) and not has_weights(names):
        return _runtime(config, names)
    folder = model_folder(config, [MODULES_FILE, KIND_FILE])
    if not model.is_baais or _has_a_head_in_modules(folder):
        return _sentence_transformers(config, str(model.contents.get("model_type")))
    if model.architecture != "encoder":
        return "flag", f"because its architecture is {model.architecture}"
    return _of_encoder(config, names)


def _of_encoder(config: ScorerConfig, names: Collection[str]) -> tuple[str, str]:
    """Choose among torch and the runtimes, for an encoder of BGE's shape."""
    graph = _graph(names)
    if not _on_cpu(config):
        return "torch", f"because device is {config.device}"
    if graph is None and config.dtype != "int8" and not _needs_int8(names):
        return _with_cache(config)
    if graph is None or graph.is_ours or config.dtype == "int8" or not is_installed("torch"):
        return _runtime(config, names)
    return "torch", f"because nobody compared the scores of {graph.path} with its own"


def _with_cache(config: ScorerConfig) -> tuple[str, str]:
    """Choose between torch and OpenVINO with an export in the cache, which computes in the same precision as torch.

    ONNX Runtime has no bfloat16, so it would change the precision on many CPUs.
    """
    if not is_installed("openvino") or config.dtype == "float16" or _sees_accelerator(config):
        return "torch", "because it has no exported graph"
    if cached_export(config):
        return "openvino", "because its export is in the cache"
    logger.info(
        "backend='openvino' exports %s on first use; measured CPUs then scored 1.1 to 1.6 times as fast as with torch",
        config.model_name,
    )
    return "torch", "because it has no exported graph"


def _needs_int8(names: Collection[str]) -> bool:
    """Say whether only an int8 graph can run, because torch is not installed."""
    return not is_installed("torch") and any(graphs_in(names, runtime) for runtime in RUNTIMES)


def _sees_accelerator(config: ScorerConfig) -> bool:
    """Say whether torch would run the model on an accelerator. With `device="cpu"` this imports nothing."""
    if names_cpu(config) or not is_installed("torch"):
        return False
    import torch

    return torch.accelerator.current_accelerator(check_available=True) is not None


def _on_cpu(config: ScorerConfig) -> bool:
    return config.device is None or names_cpu(config)


def _graph(names: Collection[str]) -> Graph | None:
    """Return a graph among a model's files that one of the runtimes reads."""
    return next(filter(None, (find_graph(names, runtime) for runtime in RUNTIMES)), None)


def _runtime(config: ScorerConfig, names: Collection[str]) -> tuple[str, str]:
    """Choose the fastest runtime that is installed and reads one of a model's graphs, or else torch for its weights.

    Raises:
        MissingDependencyError: There is no such runtime, and the model has no weights.
    """
    for runtime in RUNTIMES:
        exports = config.dtype == "int8" and has_weights(names)
        if is_installed(runtime) and (exports or graphs_in(names, runtime)):
            return runtime, "the fastest installed runtime for its exported graph"
    if not has_weights(names):
        raise MissingDependencyError(
            f"{config.model_name!r} is an exported graph, and no runtime for it is installed; "
            "pip install 'bge-rerank[openvino]' or 'bge-rerank[onnx]'"
        )
    return "torch", "because no runtime for its exported graph is installed"


def _has_a_head_in_modules(folder: Path) -> bool:
    """Say whether sentence-transformers saved a reranker with a module behind the network, such as its head."""
    kind, modules = _read(folder / KIND_FILE), _read(folder / MODULES_FILE)
    is_reranker = isinstance(kind, dict) and kind.get("model_type") == "CrossEncoder"
    return is_reranker and isinstance(modules, list) and len(modules) > 1


def _read(path: Path) -> object:
    """Return the contents of a JSON file; `None` if there is no such file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelLoadError(f"cannot read {str(path)!r} ({error}); restore the file") from error


def _sentence_transformers(config: ScorerConfig, model_type: str) -> tuple[str, str]:
    if not is_installed("sentence-transformers"):
        raise MissingDependencyError(
            f"{config.model_name!r} is a {model_type} model, which sentence-transformers runs; "
            "pip install 'bge-rerank[sentence-transformers]'"
        )
    return "sentence-transformers", f"because it is a {model_type} model and not one of BAAI's"
