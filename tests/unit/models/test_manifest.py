import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from bge_rerank import ModelLoadError
from bge_rerank.models.manifest import (
    MANIFEST_FILE,
    Manifest,
    checksum,
    read_manifest,
    verify,
    write_manifest,
)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    (tmp_path / "model.onnx").write_bytes(b"a graph")
    sums = {"model.onnx": checksum(tmp_path / "model.onnx")}
    made = Manifest("mini", None, "int8", 512, sums)
    write_manifest(made, tmp_path)
    return made


def test_what_was_written_is_read(manifest: Manifest, tmp_path: Path) -> None:
    assert read_manifest(tmp_path) == manifest
    verify(manifest, tmp_path)


def test_a_folder_without_one_has_none(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None


@pytest.mark.parametrize("contents", [b"a grapH", b"a grap", b""])
def test_a_changed_file_is_refused(manifest: Manifest, tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(contents)
    with pytest.raises(ModelLoadError, match=r"model\.onnx' is not the file that was exported"):
        verify(manifest, tmp_path)


def test_a_missing_file_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(ModelLoadError, match="is not the file that was exported"):
        verify(manifest, tmp_path)


def test_the_file_says_what_it_is(manifest: Manifest, tmp_path: Path) -> None:
    written = json.loads((tmp_path / MANIFEST_FILE).read_text())
    assert written == {"kind": "bge-rerank export", **asdict(manifest)}


def test_a_manifest_written_before_manifests_named_their_kind_is_read(
    manifest: Manifest, tmp_path: Path
) -> None:
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(asdict(manifest), indent=2) + "\n")
    assert read_manifest(tmp_path) == manifest


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 1}', '{"format": 1, "extra": 2}', "\x00"])
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST_FILE).write_text(text)
    with pytest.raises(ModelLoadError, match=r"bge_rerank\.json.*; export the model anew"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "bge-rerank calibration"}, "is no bge-rerank export"),
        ({"precision": "int4"}, "precision: "),
        ({"max_length": "512"}, "max_length: "),
        ({"extra": 2}, "extra: "),
    ],
)
def test_a_field_that_cannot_be_is_named(
    manifest: Manifest, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(asdict(manifest) | changes))
    with pytest.raises(ModelLoadError, match=f"{message}.*; export the model anew"):
        read_manifest(tmp_path)


def test_a_later_format_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(asdict(manifest) | {"format": 9}))
    with pytest.raises(ModelLoadError, match="is of format 9 and not 1"):
        read_manifest(tmp_path)
