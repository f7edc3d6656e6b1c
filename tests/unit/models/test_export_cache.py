from pathlib import Path

import pytest

from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.export_cache import cache_folder, cached_export, entries, entry_of


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the files of a model, and name an empty folder as the cache."""
    monkeypatch.setenv("BGE_RERANK_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "a model"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (folder / name).write_text(name)
    return folder


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors", "new.json"])
def test_a_change_of_any_file_of_a_model_changes_its_entry(model: Path, name: str) -> None:
    before = entry_of(ScorerConfig(str(model)))
    assert before == entry_of(ScorerConfig(str(model), max_length=9))
    (model / name).write_text("changed")
    assert entry_of(ScorerConfig(str(model))) != before


def test_float32_and_bfloat16_share_an_entry_and_int8_has_its_own(model: Path) -> None:
    entry, same, other = (
        entry_of(ScorerConfig(str(model), dtype=dtype)) for dtype in ("float32", "bfloat16", "int8")
    )
    assert entry == same != other
    assert entry.name.startswith("a-model-fp32-")
    assert other.name.startswith("a-model-int8-")


def test_an_export_that_is_not_finished_is_not_found(model: Path) -> None:
    config = ScorerConfig(str(model))
    graphs = [entry_of(config) / folder / "onnx" for folder in (".export-x/model", "model")]
    for graph in graphs:
        graph.mkdir(parents=True)
        (graph / "model.onnx").write_text("a graph")
    (graphs[0] / "bge_rerank.json").write_text("{}")
    assert cached_export(config) is None


def test_folders_of_others_and_links_are_not_entries(model: Path, tmp_path: Path) -> None:
    entry = entry_of(ScorerConfig(str(model)))
    entry.mkdir(parents=True)
    (entry.parent / "photos").mkdir()
    (entry.parent / f"link-fp32-{'0' * 16}").symlink_to(model)
    assert entries() == [entry]


def test_the_default_folder_is_in_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BGE_RERANK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/bge-rerank/exports")
