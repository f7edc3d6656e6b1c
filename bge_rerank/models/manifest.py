"""The manifest of an exported model: what the graph was made of, and the checksums of its files."""

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
"""What an export is made for: float32, bfloat16, or 8-bit weights and activations in the layers."""

GRAPH_FOLDER = "onnx"
"""Where hub repositories keep their graphs; tokenizer and config lie in the folder above it."""
GRAPH_FILE = "model.onnx"
MANIFEST_FILE = "bge_rerank.json"
KIND = "bge-rerank export"
FORMAT = 1
ADDED_LATER = {"../config.json", "../tokenizer.json"}
"""Files without a checksum in the manifests of earlier versions, which load with a warning: nothing says
that they are wrong, and who downloaded an export cannot make it anew."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `bge-rerank export` writes beside a graph.

    Attributes:
        source_model: The name or folder that the weights came from.
        revision: Of the hub repository; `None` for its main branch or a folder.
        max_length: The longest sequence that the graph takes, in tokens.
        sha256: The checksum of each file that a score depends on, by its path from the graph's
            folder. Those of tokenizer and config are missing where an earlier version wrote it.
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
    """Read the manifest of a graph's folder, or nothing where another tool made the graph.

    Raises:
        ModelLoadError: It cannot be read, a field is missing, unknown or of another type, or another
            version of this package wrote it.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        return None
    return read_json(
        path,
        *(KIND, FORMAT, Manifest, ModelLoadError),
        kind_optional=True,
        remedy="export the model anew",
    )


def checksums(folder: Path) -> dict[str, str]:
    """Return the checksum of each file of an exported model that a score depends on."""
    return {name: checksum(path) for name, path in _files(folder).items()}


def verify(manifest: Manifest, folder: Path) -> None:
    """Compare an exported model's files with their checksums.

    A warning names the files that an earlier version made no checksum of. Only files that a score
    depends on are opened, whatever the manifest names.

    Raises:
        ModelLoadError: A file is missing, was changed, or was cut short.
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
            "the manifest in %s has no checksum of %s, so damage to them would not be seen; export "
            "the model anew to have them checked",
            *(folder, " and ".join(files[name].name for name in sorted(unchecked))),
        )


def _files(folder: Path) -> dict[str, Path]:
    """Return the files that a score depends on, by their paths from the graph's folder."""
    found = sorted(path for pattern in GRAPH_FILES for path in folder.glob(pattern))
    return {
        path.name if path.parent.name == GRAPH_FOLDER else f"../{path.name}": path
        for path in found
        if path.name != MANIFEST_FILE
    }


def _not_exported(path: Path) -> str:
    return f"{str(path)!r} is not the file that was exported; export or download the model anew"


def checksum(path: Path) -> str:
    """Return a file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
