"""`describe_run`: when, where, with which versions and how the models of an evaluation ran."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bge_rerank.backends.cores import usable_cores
from bge_rerank.errors import RerankError
from bge_rerank.evaluation.result import ModelRun, Run
from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.files import model_folder
from bge_rerank.models.registry import asks_server
from bge_rerank.ranking.reranker import Reranker
from bge_rerank.scoring.identity import config_of, innermost, scored_by
from bge_rerank.types import Scorer

PACKAGES = {
    "bge-rerank": "bge_rerank",
    "bge-rerank-mini": "bge_rerank_mini",
    "torch": "torch",
    "transformers": "transformers",
    "FlagEmbedding": "FlagEmbedding",
    "sentence-transformers": "sentence_transformers",
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
}
"""The packages whose versions can change a number, with the modules that tell whether one is in use."""
_CPU_INFO = Path("/proc/cpuinfo")


def describe_run(rerankers: Mapping[str, Reranker], source: str | None) -> Run:
    """Return the circumstances of a run that starts now, with its models loaded.

    >>> from bge_rerank import load_scorer
    >>> run = describe_run({"mini": Reranker(load_scorer("mini", "torch"))}, "data.jsonl")
    >>> run.models["mini"].backend, run.source
    ('torch', 'data.jsonl')
    """
    models = {name: _model_run(reranker.scorer) for name, reranker in rerankers.items()}
    return Run(
        date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        source=source,
        cpu=_cpu_name(),
        cores=usable_cores(),
        versions={"Python": platform.python_version(), **_versions()},
        models=models,
    )


def _model_run(scorer: Scorer) -> ModelRun:
    by = scored_by(scorer)
    known = ModelRun(by.model_name, by.revision, precision=by.precision, max_length=by.max_length)
    asked = config_of(scorer)
    if asked is None:
        own = type(innermost(scorer))
        return replace(known, model=known.model or f"{own.__module__}.{own.__qualname__}")
    if asks_server(asked.backend):
        return replace(known, backend=asked.backend)
    # Only the loaded scorer knows which backend `auto` chose.
    load = getattr(scorer, "loaded", None)
    loaded = scorer if load is None else load()
    config = config_of(loaded) or asked
    folder = _folder(config)
    commit = folder.name if folder and folder.parent.name == "snapshots" else None
    return replace(
        known,
        revision=commit or known.revision,
        files=str(folder) if folder else None,
        backend=config.backend,
        device=_device(loaded),
    )


def _folder(config: ScorerConfig) -> Path | None:
    """Return the folder of the model's files, without asking the hub."""
    try:
        return model_folder(replace(config, local_files_only=True), ["config.json"])
    except RerankError:
        return None


def _device(loaded: Any) -> str | None:
    """Return the torch device of a loaded scorer, with the name of a GPU."""
    device = getattr(getattr(loaded, "model", None), "device", None)
    if device is None or device.type != "cuda":
        return None if device is None else str(device)
    import torch

    return f"{device} ({torch.cuda.get_device_name(device)})"


def _versions() -> dict[str, str]:
    found = {}
    for package, module in PACKAGES.items():
        if module in sys.modules:
            try:
                found[package] = version(package)
            except PackageNotFoundError:
                continue
    return found


def _cpu_name() -> str:
    """Return the CPU's name; outside Linux, Python knows little more than the architecture."""
    if _CPU_INFO.exists():
        names = re.findall(r"^model name\s*:\s*(.+)$", _CPU_INFO.read_text("utf-8"), re.MULTILINE)
        if names:
            return str(names[0])
    return platform.processor() or platform.machine()
