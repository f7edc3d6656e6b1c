"""The manifest of an exported model: its source model, and the checksums of its files."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from bge_rerank.errors import ModelLoadError
from bge_rerank.models.files import GRAPH_FILES
from bge_rerank.models.saved_json import read_json, write_json

logger = logging.getLogger(__name__)

Precision = Literal["fp32", "bf16", "int8"]
"""The precision of an export: float32, bfloat16, or 8-bit weights and activations in the layers."""

GRAPH_FOLDER = "onnx"
"""The folder of the graph, as in hub repositories. Tokenizer and config are in its parent folder."""
GRAPH_FILE = "model.onnx"
MANIFEST_FILE = "bge_rerank.json"
KIND = "bge-rerank export"
FORMAT = 1
MAIN = "main"
"""The revision if none is named: the hub's name for it. Local folders have the same."""
ADDED_LATER = {"../config.json", "../tokenizer.json"}
"""Files without a checksum in manifests of earlier versions. Such exports load with a warning: their files may be
intact, and somebody who downloaded an export cannot make it again."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The file that `bge-rerank export` writes beside a graph.

    Attributes:
        source_model: The name or folder of the exported model.
        revision: The revision of the hub repository; `None` for its main branch or a folder.
        precision: The precision of the export.
        max_length: The longest pair that the graph takes, in tokens.
        sha256: The checksum of each file that affects scores, by its path from the graph's folder.
            Manifests of earlier versions lack the checksums of tokenizer and config.
        format: The version of this file's format.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    source_model: str
    revision: str | None
    precision: Precision
    max_length: int
    sha256: dict[str, str]
    format: int = FORMAT


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write the manifest into a graph's folder."""
    write_json(folder / MANIFEST_FILE, KIND, manifest)


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest in a graph's folder; `None` if another tool made the graph.

    Raises:
        ModelLoadError: The manifest cannot be read, has a missing, unknown or wrong field, or is of
            another format version.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        return None
    return read_json(
        path,
        *(KIND, FORMAT, Manifest, ModelLoadError),
        kind_optional=True,
        remedy="export the model again",
    )


def checksums(folder: Path) -> dict[str, str]:
    """Return the checksum of each file of an exported model that affects scores."""
    return {name: checksum(path) for name, path in _files(folder).items()}


def verify(manifest: Manifest, folder: Path) -> None:
    """Compare an exported model's files with their checksums.

    A warning names files without a checksum in manifests of earlier versions. Only files that affect
    scores are opened, whatever the manifest names.

    Raises:
        ModelLoadError: A file is missing, changed or truncated.
    """
    files = _files(folder)
    unchecked = files.keys() - manifest.sha256.keys()
    if not unchecked <= ADDED_LATER:
        raise ModelLoadError(_not_exported(files[min(unchecked - ADDED_LATER)]))
    for name, expected in manifest.sha256.items():
        if name not in files or checksum(files[name]) != expected:
            raise ModelLoadError(_not_exported(files.get(name, folder / GRAPH_FOLDER / name)))
    if unchecked:
        logger.warning(
            "the manifest in %s has no checksum of %s, so damage to them stays unnoticed; export the "
            "model again to add the checksums",
            *(folder, " and ".join(files[name].name for name in sorted(unchecked))),
        )


def _files(folder: Path) -> dict[str, Path]:
    """Return the files that affect scores, by their paths from the graph's folder."""
    found = sorted(path for pattern in GRAPH_FILES for path in folder.glob(pattern))
    return {
        path.name if path.parent.name == GRAPH_FOLDER else f"../{path.name}": path
        for path in found
        if path.name != MANIFEST_FILE
    }


def _not_exported(path: Path) -> str:
    return f"{str(path)!r} is missing or differs from the exported file; export or download the model again"


def checksum(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
