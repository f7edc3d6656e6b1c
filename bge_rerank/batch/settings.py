"""The settings that decide what a batch writes, as plain values. Only equal settings continue it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from bge_rerank.batch.inputs import InputFile
from bge_rerank.models.files import model_folder
from bge_rerank.models.registry import asks_server
from bge_rerank.ranking.describe import describe_reranker
from bge_rerank.ranking.reranker import Reranker
from bge_rerank.scoring.cache import fingerprint
from bge_rerank.scoring.identity import config_of, scored_by
from bge_rerank.types import Scorer

BASE = ("rank", "index", "logit", "rerank_score")
"""The fields that each candidate receives."""


def settings_of(reranker: Reranker, files: Sequence[InputFile], part_pairs: int) -> dict[str, Any]:
    """Return the settings of a batch. This loads the model.

    Raises:
        ModelLoadError: The model cannot be loaded.
    """
    return {
        "inputs": {str(file.path): _input(place, file) for place, file in enumerate(files)},
        "part_pairs": part_pairs,
        "model": asdict(scored_by(reranker.scorer)) | _run_by(reranker.scorer),
        **ranking_settings(reranker),
    }


def ranking_settings(reranker: Reranker) -> dict[str, Any]:
    """Return the settings of a reranker that decide what it writes. This loads nothing."""
    calibration = reranker.calibration and _short(asdict(reranker.calibration))
    return {"calibration": calibration, **describe_reranker(reranker)}


def added_fields(reranker: Reranker) -> list[str]:
    """Return the names of the fields that a ranking can add to a candidate.

    >>> added_fields(Reranker("mini", long_documents="window"))
    ['rank', 'index', 'logit', 'rerank_score', 'rerank_span']
    """
    optional = {
        "rerank_probability": reranker.calibration is not None,
        "rerank_fused": reranker.options.rrf_k is not None,
        "rerank_span": reranker.options.long_documents == "window",
    }
    return [*BASE, *(name for name, there in optional.items() if there)]


def _input(place: int, file: InputFile) -> dict[str, int]:
    status = file.path.stat()
    return {"place": place, "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _run_by(scorer: Scorer) -> dict[str, Any]:
    """Return what else decides the scores of a model in this process: its files, and the backend."""
    config = config_of(scorer)
    if config is None or asks_server(config.backend):
        return {}
    # The model was just loaded, so its files are in the cache and need no download.
    folder = model_folder(replace(config, local_files_only=True), ["config.json"])
    loaded = config_of(scorer.loaded() if hasattr(scorer, "loaded") else scorer)
    return {"files": _short(fingerprint(folder)), "backend": loaded and loaded.backend}


def _short(values: object) -> str:
    """Return the start of a checksum, long enough to tell values apart."""
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]
