import os
from pathlib import Path

import pytest

from bge_rerank.backends.exported.files import without_links


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A graph in the hub's cache, where graph and weights are links to blobs."""
    blobs, folder = tmp_path / "blobs", tmp_path / "snapshots" / "main" / "onnx"
    blobs.mkdir()
    folder.mkdir(parents=True)
    for name in ("model.onnx", "model.onnx.data"):
        (blobs / f"hash of {name}").write_text(name)
        (folder / name).symlink_to(Path("../../../blobs", f"hash of {name}"))
    return folder / "model.onnx"


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_linked_weights_are_beside_the_graph_and_take_no_space(linked: Path) -> None:
    with without_links(linked) as graph:
        assert contents(graph.parent) == {
            "model.onnx": "model.onnx",
            "model.onnx.data": "model.onnx.data",
        }
        assert not any(path.is_symlink() for path in graph.parent.iterdir())
        assert (graph.parent / "model.onnx.data").stat().st_nlink == 2
    assert not graph.parent.exists()
    assert len(list((linked.parents[3] / "blobs").iterdir())) == 2


def test_without_hard_links_in_the_cache_copies_are_made(
    linked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refused)
    with without_links(linked) as graph:
        assert contents(graph.parent) == {
            "model.onnx": "model.onnx",
            "model.onnx.data": "model.onnx.data",
        }
        assert len(list((linked.parents[3] / "blobs").iterdir())) == 2
    assert not graph.parent.exists()


@pytest.mark.parametrize("weights", [True, False])
def test_a_graph_whose_weights_are_not_links_is_read_in_its_folder(
    linked: Path, *, weights: bool
) -> None:
    (linked.parent / "model.onnx.data").unlink()
    if weights:
        (linked.parent / "model.onnx.data").write_text("weights")
    with without_links(linked) as graph:
        assert graph == linked


def test_an_error_in_the_block_is_raised(linked: Path) -> None:
    with pytest.raises(OSError, match="damaged"), without_links(linked) as graph:
        raise OSError("damaged")
    assert not graph.parent.exists()
