"""`choose_backend`: the fastest backend that is installed and can run the model, for `backend="auto"`."""

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
    """Choose a backend by the model, the installed packages and the device.

    LLM-based rerankers run in `flag`. Encoders that `bge-rerank export` exported run in `openvino`, or in
    `onnx` without OpenVINO, unless `device` names another device than the CPU. All others run in `torch`.
    Graphs from other tools are not used, because nobody has compared their scores with the model's.

    Raises:
        ModelLoadError: The model could not be found.
        MissingDependencyError: The model is only an exported graph, and no runtime for it is installed.
    """
    backend, reason = _choose(config)
    logger.info("%s runs in backend %r, %s", config.model_name, backend, reason)
    return backend


def _choose(config: ScorerConfig) -> tuple[str, str]:
    architecture = read_config(config).architecture
    if architecture != "encoder":
        return "flag", f"because its architecture is {architecture}"
    if config.device not in (None, "cpu"):
        return "torch", f"because device is {config.device}"
    folder = model_folder(config, [f"{GRAPH_FOLDER}/{MANIFEST_FILE}"])
    if not (folder / GRAPH_FOLDER / MANIFEST_FILE).is_file():
        return "torch", "because it has no exported graph"
    for runtime in RUNTIMES:
        if is_installed(runtime):
            return runtime, "the fastest installed runtime for its exported graph"
    _check_weights(config, folder)
    return "torch", "because no runtime for its exported graph is installed"


def _check_weights(config: ScorerConfig, folder: Path) -> None:
    exported_alone = Path(config.model_name).expanduser().is_dir() and not [
        *folder.glob("*.safetensors")
    ]
    if exported_alone:
        raise MissingDependencyError(
            f"{config.model_name!r} is an exported graph, and no runtime for it is installed; "
            "pip install 'bge-rerank[openvino]' or 'bge-rerank[onnx]'"
        )
