"""Which backend `"auto"` means: the fastest of those that are installed and can run the model."""

from __future__ import annotations

import logging
from pathlib import Path

from bge_rerank.errors import MissingDependencyError
from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.files import model_folder, read_config
from bge_rerank.models.manifest import GRAPH_FOLDER, MANIFEST_FILE
from bge_rerank.models.registry import RUNTIMES, is_installed

logger = logging.getLogger(__name__)


def choose_backend(config: ScorerConfig) -> str:
    """Choose by what the model is, what is installed and which device was asked for.

    An LLM-based reranker runs in `flag`. An encoder that `bge-rerank export` made a graph of runs
    in OpenVINO, else in ONNX Runtime, unless a device other than the CPU was asked for; any other
    runs in `torch`. A graph that another tool made counts for nothing here: nobody has checked it.

    Raises:
        ModelLoadError: The model could not be found.
        MissingDependencyError: The model is a graph alone, and no runtime for it is installed.
    """
    backend, reason = _choose(config)
    logger.info("%s: backend %s, %s", config.model_name, backend, reason)
    return backend


def _choose(config: ScorerConfig) -> tuple[str, str]:
    architecture = read_config(config).architecture
    if architecture != "encoder":
        return "flag", f"because its architecture is {architecture}"
    if config.device not in (None, "cpu"):
        return "torch", f"because device is {config.device}"
    folder = model_folder(config, [f"{GRAPH_FOLDER}/{MANIFEST_FILE}"])
    if not (folder / GRAPH_FOLDER / MANIFEST_FILE).is_file():
        return "torch", "because it has weights and no exported graph"
    for runtime in RUNTIMES:
        if is_installed(runtime):
            return runtime, "the fastest runtime installed for its exported graph"
    _check_weights(config, folder)
    return "torch", "because no runtime for its exported graph is installed"


def _check_weights(config: ScorerConfig, folder: Path) -> None:
    exported_alone = Path(config.model_name).expanduser().is_dir() and not [
        *folder.glob("*.safetensors")
    ]
    if exported_alone:
        raise MissingDependencyError(
            f"{config.model_name!r} is an exported graph, and no runtime for it is installed; "
            "pip install 'bge-rerank[openvino]', or 'bge-rerank[onnx]'"
        )
