"""The manifest of an exported model: what the graph was made of, and the checksums of its files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from bge_rerank.errors import ModelLoadError
from bge_rerank.models.saved_json import read_json, write_json

Precision = Literal["fp32", "bf16", "int8"]
"""What an export is made for: float32, bfloat16, or 8-bit weights and activations in the layers."""

GRAPH_FOLDER = "onnx"
"""Where hub repositories keep their graphs; tokenizer and config lie in the folder above it."""
GRAPH_FILE = "model.onnx"
MANIFEST_FILE = "bge_rerank.json"
KIND = "bge-rerank export"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `bge-rerank export` writes beside a graph.

    Attributes:
        source_model: The name or folder that the weights came from.
        revision: Of the hub repository; `None` for its main branch or a folder.
        max_length: The longest sequence that the graph takes, in tokens.
        sha256: The checksum of each file in the graph's folder.
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


def verify(manifest: Manifest, folder: Path) -> None:
    """Compare the graph's files with their checksums.

    Raises:
        ModelLoadError: A file is missing, was changed, or was cut short.
    """
    for name, expected in manifest.sha256.items():
        path = folder / name
        if not path.is_file() or checksum(path) != expected:
            raise ModelLoadError(
                f"{str(path)!r} is not the file that was exported; export or download the model anew"
            )


def checksum(path: Path) -> str:
    """Return a file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
