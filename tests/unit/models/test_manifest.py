import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from bge_rerank import ModelLoadError
from bge_rerank.models.manifest import (
    MANIFEST_FILE,
    Manifest,
    checksums,
    read_manifest,
    verify,
    write_manifest,
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The folder of an exported model, without a manifest."""
    (tmp_path / "onnx").mkdir()
    for name in ("config.json", "tokenizer.json", "onnx/model.onnx", "onnx/model.onnx.data"):
        (tmp_path / name).write_text(f"contents of {name}")
    (tmp_path / "README.md").write_text("it affects no score")
    return tmp_path


@pytest.fixture
def folder(model: Path) -> Path:
    """The folder of the graph, which holds the manifest."""
    return model / "onnx"


@pytest.fixture
def manifest(model: Path) -> Manifest:
    made = Manifest("mini", None, "int8", 512, checksums(model))
    write_manifest(made, model / "onnx")
    return made


def test_a_manifest_reads_back_as_it_was_written(
    manifest: Manifest, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert read_manifest(model / "onnx") == manifest
    verify(manifest, model)
    assert not caplog.records


def test_each_file_that_affects_scores_has_a_checksum(manifest: Manifest) -> None:
    assert set(manifest.sha256) == {
        "../config.json",
        "../tokenizer.json",
        "model.onnx",
        "model.onnx.data",
    }


def test_a_folder_without_a_manifest_file_reads_as_none(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None


@pytest.mark.parametrize("changed", ["longer", "contents of confiG.json", ""])
@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer.json", "onnx/model.onnx", "onnx/model.onnx.data"]
)
def test_a_changed_file_is_refused(
    manifest: Manifest, model: Path, name: str, changed: str
) -> None:
    (model / name).write_text(changed)
    with pytest.raises(
        ModelLoadError, match=f"{name}' is missing or differs from the exported file"
    ):
        verify(manifest, model)


@pytest.mark.parametrize("name", ["tokenizer.json", "onnx/model.onnx", "onnx/model.onnx.data"])
def test_a_missing_file_is_refused(manifest: Manifest, model: Path, name: str) -> None:
    (model / name).unlink()
    with pytest.raises(ModelLoadError, match=f"{Path(name).name}' is missing or differs"):
        verify(manifest, model)


@pytest.mark.parametrize("name", ["model.onnx", "model.onnx.data"])
def test_a_graph_without_a_checksum_is_refused(manifest: Manifest, model: Path, name: str) -> None:
    del manifest.sha256[name]
    with pytest.raises(
        ModelLoadError, match=f"{name}' is missing or differs from the exported file"
    ):
        verify(manifest, model)


def test_a_manifest_of_an_earlier_version_is_accepted_with_a_warning(
    manifest: Manifest, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    del manifest.sha256["../config.json"], manifest.sha256["../tokenizer.json"]
    verify(manifest, model)
    [record] = caplog.records
    assert f"{model} has no checksum of config.json and tokenizer.json" in record.getMessage()


@pytest.mark.parametrize("name", ["../../other", "/dev/zero", "../README.md", "pipe"])
def test_a_file_that_only_the_manifest_names_is_not_opened(
    manifest: Manifest, model: Path, name: str
) -> None:
    os.mkfifo(model / "onnx" / "pipe")
    manifest.sha256[name] = "0" * 64
    with pytest.raises(ModelLoadError, match="is missing or differs from the exported file"):
        verify(manifest, model)


def test_the_file_names_its_kind(manifest: Manifest, folder: Path) -> None:
    written = json.loads((folder / MANIFEST_FILE).read_text())
    assert written == {"kind": "bge-rerank export", **asdict(manifest)}


def test_a_manifest_written_before_manifests_named_their_kind_is_read(
    manifest: Manifest, folder: Path
) -> None:
    (folder / MANIFEST_FILE).write_text(json.dumps(asdict(manifest), indent=2) + "\n")
    assert read_manifest(folder) == manifest


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 1}', '{"format": 1, "extra": 2}', "\x00"])
def test_a_file_that_is_not_a_manifest_is_refused(folder: Path, text: str) -> None:
    (folder / MANIFEST_FILE).write_text(text)
    with pytest.raises(ModelLoadError, match=r"bge_rerank\.json.*; export the model again"):
        read_manifest(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "bge-rerank calibration"}, "is not a bge-rerank export"),
        ({"precision": "int4"}, "precision: "),
        ({"max_length": "512"}, "max_length: "),
        ({"extra": 2}, "extra: "),
    ],
)
def test_a_wrong_field_is_named(
    manifest: Manifest, folder: Path, changes: dict[str, Any], message: str
) -> None:
    (folder / MANIFEST_FILE).write_text(json.dumps(asdict(manifest) | changes))
    with pytest.raises(ModelLoadError, match=f"{message}.*; export the model again"):
        read_manifest(folder)


def test_a_later_format_is_refused(manifest: Manifest, folder: Path) -> None:
    (folder / MANIFEST_FILE).write_text(json.dumps(asdict(manifest) | {"format": 9}))
    with pytest.raises(ModelLoadError, match="has format 9 instead of 1"):
        read_manifest(folder)
