"""The cache of exports that `openvino` and `onnx` make on first use: where it is, and what is in it.

Each export has a folder, called its entry: `<cache>/exports/<model>-<precision>-<key>/`. The finished export is the
entry's folder `model`. The key covers the model's files, so an export of older weights is never taken for a newer one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from bge_rerank.errors import ModelLoadError
from bge_rerank.extras import needs_extra
from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.files import WEIGHT_FILES, file_names, local_folder, model_folder
from bge_rerank.models.graphs import MANIFEST, find_graph, has_weights
from bge_rerank.models.manifest import Manifest, Precision, checksum, read_manifest

VARIABLE = "BGE_RERANK_CACHE"
"""The environment variable with the cache's folder."""
EXPORTER = 2
"""Part of each key. Raise it when `bge-rerank export` writes graphs with other scores; all models are then exported again."""
FINISHED = "model"
"""The folder of a finished export in its entry. It gets this name when it is complete."""
_ENTRY = re.compile(r".+-(fp32|int8)-[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class CachedExport:
    """A finished export in the cache.

    Attributes:
        entry: Its entry.
        manifest: What was exported, and in which precision.
    """

    entry: Path
    manifest: Manifest

    @property
    def size(self) -> int:
        """The bytes on disk."""
        found = (self.entry / FINISHED).rglob("*")
        return sum(path.stat().st_size for path in found if path.is_file())

    @property
    def made(self) -> datetime:
        """The time of the export."""
        return datetime.fromtimestamp((self.entry / FINISHED / MANIFEST).stat().st_mtime, UTC)


def cache_folder() -> Path:
    """Return the folder of the entries, which may not exist: in `BGE_RERANK_CACHE`, or in the user's cache."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute() / "exports"
    with needs_extra("openvino", "the cache of exports"):
        from platformdirs import user_cache_path
    return user_cache_path("bge-rerank", appauthor=False) / "exports"


def entries() -> list[Path]:
    """Return the entries of the cache, finished or not, by name. Other folders there are left out."""
    found = [path for path in cache_folder().glob("*") if _ENTRY.fullmatch(path.name)]
    return sorted(path for path in found if path.is_dir() and not path.is_symlink())


def cached_exports() -> Iterator[CachedExport]:
    """Yield the finished exports of the cache. Those that cannot be read are left out."""
    for entry in entries():
        try:
            manifest = read_manifest((entry / FINISHED / MANIFEST).parent)
        except ModelLoadError:
            continue
        if manifest:
            yield CachedExport(entry, manifest)


def precision_of(config: ScorerConfig) -> Precision:
    """Return the precision of a configuration's export. A float32 graph also runs in bfloat16."""
    return "int8" if config.dtype == "int8" else "fp32"


def entry_of(config: ScorerConfig) -> Path:
    """Return the entry of a configuration's export, which may not exist.

    Its key is made from the commit of a hub repository, or from the checksums of a local folder's files.
    """
    folder = local_folder(config.model_name)
    if folder is None:
        source = {config.model_name: model_folder(config, ["config.json"]).name}
    else:
        found = sorted(path for pattern in WEIGHT_FILES for path in folder.glob(pattern))
        source = {path.name: _checksum(path, *_state(path)) for path in found}
    key = hashlib.sha256(json.dumps([source, EXPORTER]).encode()).hexdigest()[:16]
    return cache_folder() / f"{_beginning(config)}{key}"


def cached_export(config: ScorerConfig) -> Path | None:
    """Return the folder of a configuration's finished export in the cache; `None` if there is none."""
    # Most models have no export of their name. Then no checksum is needed, which takes seconds for a large model.
    if not any(cache_folder().glob(f"{_beginning(config)}*/{FINISHED}/{MANIFEST}")):
        return None
    folder = entry_of(config) / FINISHED
    return folder if (folder / MANIFEST).is_file() else None


def lacks_graph(config: ScorerConfig, names: Collection[str]) -> bool:
    """Say whether a model has weights, but no graph that a configuration's backend and precision take."""
    return has_weights(names) and find_graph(names, config.backend, config.dtype) is None


def lacks_export(config: ScorerConfig) -> bool:
    """Say whether a model has weights, but a configuration's backend finds no graph, neither there nor in the cache."""
    return lacks_graph(config, file_names(config)) and cached_export(config) is None


def _beginning(config: ScorerConfig) -> str:
    """Return the readable beginning of an entry's name."""
    name = re.sub(r"[^\w.-]", "-", Path(config.model_name).name).lstrip(".")[:60]
    return f"{name}-{precision_of(config)}-"


@cache
def _checksum(path: Path, _size: int, _changed: int) -> str:
    """Return a file's checksum, which is computed again if size or time of the file change."""
    return checksum(path)


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
