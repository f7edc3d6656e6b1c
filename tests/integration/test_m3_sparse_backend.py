"""BGE-M3's lexical weights with FlagEmbedding's class, and protection from its traps."""

import os
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel

from bge_rerank import (
    ConfigurationError,
    MissingDependencyError,
    ModelLoadError,
    OutOfMemoryError,
    Reranker,
    ScoringError,
    UnsupportedModelError,
    load_scorer,
)
from bge_rerank.backends.flag.m3_sparse import M3SparseScorer
from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.registry import scorer_class
from bge_rerank.ranking.prefilter import Prefilter
from bge_rerank.scoring.loading import _loaded
from conftest import PASSAGES, QUERY, REVISION
from hub_shape import add_to_hub_cache

PAIRS = [(query, passage) for query in (QUERY, "why does bread rise") for passage in PASSAGES]


@pytest.fixture
def scorer(tiny_m3: Path) -> M3SparseScorer:
    return M3SparseScorer(ScorerConfig(str(tiny_m3), "m3-sparse"))


@pytest.fixture
def folder(tiny_m3: Path, tmp_path: Path) -> Path:
    """A copy that the test may damage."""
    return Path(shutil.copytree(tiny_m3, tmp_path / "m3"))


class Passes:
    """A hook that records the rows of each forward pass, and can make large ones fail."""

    def __init__(self, scorer: M3SparseScorer, error: BaseException | None = None, most: int = 0):
        self.rows: list[int] = []
        self.error, self.most = error, most
        scorer._inner.model.model.get_input_embeddings().register_forward_pre_hook(self)

    def __call__(self, module: Any, arguments: tuple[torch.Tensor, ...]) -> None:
        self.rows.append(arguments[0].shape[0])
        if self.error is not None and self.rows[-1] > self.most:
            raise self.error


def test_scores_are_those_of_flagembedding(scorer: M3SparseScorer, tiny_m3: Path) -> None:
    from FlagEmbedding import BGEM3FlagModel

    reference = BGEM3FlagModel(str(tiny_m3), use_fp16=False, devices=["cpu"])
    expected = reference.compute_score(PAIRS)["sparse"]
    assert len(set(expected)) > 2
    assert scorer.score(PAIRS) == pytest.approx(expected, abs=1e-4)


def test_each_text_is_computed_once_and_the_first_batch_twice(scorer: M3SparseScorer) -> None:
    passes = Passes(scorer)
    scorer.score(PAIRS)
    assert passes.rows == [6, 6]


def test_it_shows_no_progress_bar(
    scorer: M3SparseScorer, capfd: pytest.CaptureFixture[str]
) -> None:
    scorer.score([(QUERY, f"{PASSAGES[1]} {number}") for number in range(40)])
    assert capfd.readouterr() == ("", "")


def test_it_runs_in_this_process_on_one_device(scorer: M3SparseScorer, tiny_m3: Path) -> None:
    scorer.score(PAIRS)
    assert scorer._inner.target_devices == ["cpu"]
    assert scorer._inner.pool is None
    with pytest.raises(ConfigurationError, match="backend 'm3-sparse' uses only one"):
        M3SparseScorer(ScorerConfig(str(tiny_m3), "m3-sparse", device=("cpu", "meta")))


def test_a_precision_that_flagembedding_ignores_is_refused(tiny_m3: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"dtype is 'bfloat16'.* float32 on CPUs"):
        M3SparseScorer(ScorerConfig(str(tiny_m3), "m3-sparse", dtype="bfloat16"))


def test_an_error_is_raised_at_once_and_not_retried_for_ever(scorer: M3SparseScorer) -> None:
    passes = Passes(scorer, RuntimeError("shapes do not match"))
    with pytest.raises(ScoringError, match="shapes do not match"):
        scorer.score(PAIRS)
    assert len(passes.rows) == 1


def test_out_of_memory_halves_the_batch_and_changes_no_score(scorer: M3SparseScorer) -> None:
    expected = scorer.score(PAIRS)
    Passes(scorer, torch.OutOfMemoryError("CUDA out of memory."), most=4)
    assert scorer.score(PAIRS) == pytest.approx(expected, abs=1e-4)


def test_a_single_text_that_does_not_fit_into_memory_is_our_error(scorer: M3SparseScorer) -> None:
    Passes(scorer, torch.OutOfMemoryError("CUDA out of memory."))
    with pytest.raises(OutOfMemoryError, match="lower max_length"):
        scorer.score(PAIRS)


@pytest.mark.parametrize("name", ["sparse_linear.pt", "colbert_linear.pt"])
def test_weights_that_would_be_random_are_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(UnsupportedModelError, match=f"has no {name}, so its lexical weights"):
        M3SparseScorer(ScorerConfig(str(folder), "m3-sparse"))


@pytest.mark.parametrize("version", ["4.55.4", "5.24.0"])
def test_a_version_of_transformers_that_cannot_run_it_is_named(
    tiny_m3: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: version)
    with pytest.raises(
        UnsupportedModelError, match=rf"but {version} is installed; pip install 'transformers"
    ):
        M3SparseScorer(ScorerConfig(str(tiny_m3), "m3-sparse"))


class MakesFolder:
    """An object that makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["sparse_linear.pt", "colbert_linear.pt", "pytorch_model.bin"])
@pytest.mark.parametrize("written", ["by torch", "by pickle"])
def test_code_in_a_pickle_does_not_run(
    folder: Path, tmp_path: Path, name: str, written: str
) -> None:
    made = tmp_path / "made"
    if name == "pytorch_model.bin":
        (folder / "model.safetensors").unlink()
    if written == "by torch":
        torch.save({"weight": MakesFolder(made)}, folder / name)
    else:
        (folder / name).write_bytes(pickle.dumps({"weight": MakesFolder(made)}))
    with pytest.raises(ModelLoadError, match="cannot load"):
        M3SparseScorer(ScorerConfig(str(folder), "m3-sparse"))
    assert not made.exists()
    if written == "by torch":
        torch.load(folder / name, weights_only=False)
        assert made.exists()


@pytest.mark.parametrize("contents", [b"", b"PK", b"no pickle"])
def test_a_file_that_cannot_be_read_is_our_error(folder: Path, contents: bytes) -> None:
    (folder / "sparse_linear.pt").write_bytes(contents)
    with pytest.raises(ModelLoadError, match="cannot load"):
        M3SparseScorer(ScorerConfig(str(folder), "m3-sparse"))


def test_weights_that_are_published_as_a_pickle_are_read(
    folder: Path, scorer: M3SparseScorer
) -> None:
    model = AutoModel.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    pickled = M3SparseScorer(ScorerConfig(str(folder), "m3-sparse"))
    assert pickled.score(PAIRS) == pytest.approx(scorer.score(PAIRS), abs=1e-4)


def test_only_the_needed_files_of_a_hub_repository_are_read(tiny_m3: Path, tmp_path: Path) -> None:
    add_to_hub_cache(tmp_path, "BAAI/bge-m3", tiny_m3, REVISION)
    from_hub = load_scorer("BAAI/bge-m3", "m3-sparse", cache_dir=str(tmp_path))
    of_folder = load_scorer(str(tiny_m3), "m3-sparse")
    assert from_hub.score(PAIRS) == pytest.approx(of_folder.score(PAIRS), abs=1e-4)


def test_a_prefilter_takes_its_name_and_loads_it_only_when_needed() -> None:
    loaded = dict(_loaded)
    prefilter = Prefilter("bge-m3", keep=2)
    assert prefilter.scorer == load_scorer("BAAI/bge-m3", "m3-sparse")
    assert prefilter.kept([[(QUERY, passage) for passage in PASSAGES[:2]]]) == [[0, 1]]
    assert _loaded == loaded


async def test_it_works_as_the_prefilter_of_a_cross_encoder(tiny_m3: Path) -> None:
    lexical = load_scorer(str(tiny_m3), "m3-sparse")
    reranker = Reranker(load_scorer("mini"), top_n=1, prefilter=lexical, keep=2)
    for ranking in (reranker.rerank(QUERY, PASSAGES), await reranker.arerank(QUERY, PASSAGES)):
        assert [ranked.index for ranked in ranking] == [1]
        tiers = [(tier.name, tier.received, tier.kept) for tier in ranking.tiers]
        assert tiers == [(str(tiny_m3), 4, 2), ("mini", 2, 1)]


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "FlagEmbedding", None)
    monkeypatch.delitem(sys.modules, "bge_rerank.backends.flag.m3_sparse", raising=False)
    with pytest.raises(MissingDependencyError, match=r"pip install 'bge-rerank\[flag\]'"):
        scorer_class("m3-sparse")
