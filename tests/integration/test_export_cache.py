"""Exports that `openvino` and `onnx` make on first use, and the cache that keeps them."""

import logging
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock

from bge_rerank import (
    ConfigurationError,
    MissingDependencyError,
    ModelLoadError,
    load_scorer,
)
from bge_rerank.cli import main
from bge_rerank.export import cached as cached_module
from bge_rerank.export.cached import clear_cache, export_into_cache
from bge_rerank.export.run import steps_of
from bge_rerank.models import auto_backend
from bge_rerank.models.auto_backend import choose_backend
from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.export_cache import cached_export, cached_exports, entries, entry_of
from bge_rerank.scoring import loading, scored_by
from conftest import PASSAGES, QUERY, REVISION, Once
from hub_shape import add_to_hub_cache
from preloaded import Command, ran
from tiny_encoders import make_tiny_reranker

PAIRS = [(QUERY, passage) for passage in PASSAGES]


@pytest.fixture(scope="module")
def tiny_reranker(made_once: Once) -> Path:
    """Return a model of one layer, which is exported soonest. The tests of exports use two layers."""
    return made_once("tiny-reranker-of-one-layer", partial(make_tiny_reranker, layers=1))


EXPORT = """
import sys
from bge_rerank import load_scorer
print(load_scorer(sys.argv[1], sys.argv[2]).score([("what causes tides", "The Moon.")]))
"""


@pytest.fixture(scope="module")
def made(made_once: Once, tiny_reranker: Path) -> Path:
    """Return a cache with the export of a tiny model, which tests must not change."""

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("BGE_RERANK_CACHE", str(folder))
            export_into_cache(ScorerConfig(str(tiny_reranker), "openvino"))

    return made_once("export-cache", make)


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Name an empty folder as the cache, and forget loaded models."""
    monkeypatch.setenv("BGE_RERANK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(loading, "_loaded", {})
    return tmp_path / "cache"


@pytest.fixture
def filled(cache: Path, made: Path) -> Path:
    """Name a copy of the cache with one export."""
    shutil.copytree(made, cache)
    return cache


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that receives the precision of each export."""
    counted: list[str] = []
    export_named = cached_module.export_named

    def counting(named: ScorerConfig, folder: Path, precision: Any, **options: Any) -> object:
        counted.append(precision)
        return export_named(named, folder, precision, **options)

    monkeypatch.setattr(cached_module, "export_named", counting)
    return counted


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that receives the steps of each export."""
    shown: list[str] = []
    export_named = cached_module.export_named

    def noting(*arguments: Any, on_step: Callable[[str], None], **options: Any) -> None:
        def note(step: str) -> None:
            shown.append(step)
            on_step(step)

        export_named(*arguments, on_step=note, **options)

    monkeypatch.setattr(cached_module, "export_named", noting)
    return shown


def test_a_model_without_a_graph_is_exported_on_first_use_step_by_step_and_found_again(
    tiny_reranker: Path,
    cache: Path,
    steps: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    expected = load_scorer(str(tiny_reranker), "torch", dtype="float32").score(PAIRS)
    with caplog.at_level(logging.INFO, "bge_rerank.export"):
        first = load_scorer(str(tiny_reranker), "openvino", dtype="float32").score(PAIRS)
    monkeypatch.setattr(loading, "_loaded", {})
    again = load_scorer(str(tiny_reranker), "openvino", dtype="float32").score(PAIRS)
    in_onnx = load_scorer(str(tiny_reranker), "onnx").score(PAIRS)
    assert steps == steps_of("fp32")  # of one export
    assert first == again == pytest.approx(expected, abs=1e-4)
    assert in_onnx == pytest.approx(expected, abs=1e-4)
    [entry] = entries()
    announced = [message for message in caplog.messages if "exporting" in message]
    assert announced == [
        f"exporting {tiny_reranker} in fp32 for backend 'openvino', once, into {entry}; `bge-rerank cache list` shows it"
    ]
    assert [path.name for path in entry.iterdir()] == ["model"]
    assert not caplog.records or {record.levelname for record in caplog.records} == {"INFO"}


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_the_default_keeps_the_precision_of_the_model(
    tiny_reranker: Path, filled: Path, exports: list[str], backend: str
) -> None:
    scorer = load_scorer(str(tiny_reranker), backend)
    made_by = scored_by(scorer)
    in_torch = scored_by(load_scorer(str(tiny_reranker), "torch", device="cpu"))
    assert made_by.precision == (in_torch.precision if backend == "openvino" else "float32")
    assert (made_by.model_name, made_by.revision) == (str(tiny_reranker), "main")
    assert exports == []


def test_other_weights_have_another_export(
    tiny_reranker: Path, tmp_path: Path, filled: Path, exports: list[str]
) -> None:
    copy = tmp_path / tiny_reranker.name
    shutil.copytree(tiny_reranker, copy)
    assert cached_export(ScorerConfig(str(copy), "openvino")) is not None
    weights = copy / "model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    load_scorer(str(copy), "onnx").score(PAIRS)
    assert exports == ["fp32"]
    assert len(entries()) == 2


def test_weights_that_change_during_the_export_leave_no_export(
    tiny_reranker: Path, tmp_path: Path, made: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copytree(tiny_reranker, tmp_path / "model"))
    [finished] = made.glob("exports/*/model")

    def changing(named: ScorerConfig, folder: Path, *_arguments: Any, **_options: Any) -> None:
        shutil.copytree(finished, folder)
        (copy / "config.json").write_text((copy / "config.json").read_text() + "\n")

    monkeypatch.setattr(cached_module, "export_named", changing)
    with pytest.raises(ModelLoadError, match="changed while it was exported"):
        load_scorer(str(copy), "onnx").score(PAIRS)
    assert entries() == []


def test_a_repository_of_the_hub_is_known_by_its_commit(
    tiny_reranker: Path, tmp_path: Path, cache: Path, exports: list[str]
) -> None:
    hub = tmp_path / "hub"
    add_to_hub_cache(hub, "acme/tiny", tiny_reranker, REVISION)
    config = ScorerConfig("acme/tiny", "onnx", cache_dir=str(hub))
    scorer = load_scorer("acme/tiny", "onnx", cache_dir=str(hub))
    expected = load_scorer(str(tiny_reranker), "torch", dtype="float32").score(PAIRS)
    assert scorer.score(PAIRS) == pytest.approx(expected, abs=1e-4)
    assert (scored_by(scorer).model_name, scored_by(scorer).revision) == ("acme/tiny", "main")
    newer = hub / "models--acme--tiny" / "snapshots" / ("f" * 40)
    shutil.copytree(newer.parent / REVISION, newer, symlinks=True)
    (newer.parents[1] / "refs" / "main").write_text(newer.name)
    assert cached_export(config) is None


def test_a_process_that_is_killed_leaves_no_export_and_the_next_one_cleans_up(
    tiny_reranker: Path, cache: Path, preloaded_python: Path, tmp_path: Path
) -> None:
    (tmp_path / "passages.txt").write_text("The Moon.")
    model = ("--model", str(tiny_reranker), "--backend", "onnx")
    process = Command(preloaded_python, "rank", QUERY, str(tmp_path / "passages.txt"), *model)
    deadline = time.monotonic() + 120
    while not list(cache.glob("exports/*/.export-*/model/onnx")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.end()
    assert process.wait() == -signal.SIGKILL
    [entry] = entries()
    of_another_model = entry.with_name(f"another-fp32-{'0' * 16}")
    shutil.copytree(entry, of_another_model)
    assert len(list(cache.glob("exports/*/.export-*"))) == 2
    assert list(cached_exports()) == []
    assert cached_export(ScorerConfig(str(tiny_reranker), "onnx")) is None
    load_scorer(str(tiny_reranker), "onnx").score(PAIRS)
    assert [export.entry for export in cached_exports()] == [entry]
    assert list(cache.glob("exports/*/.export-*")) == []


TOGETHER = """
import logging, os
os.environ["BGE_RERANK_CACHE"] = {cache!r}
logging.basicConfig(level=logging.INFO)
from bge_rerank import load_scorer
print(load_scorer({model!r}, "onnx").score([("what causes tides", "The Moon.")]))
"""


def test_two_processes_export_once(
    tiny_reranker: Path, cache: Path, preloaded_python: Path, tmp_path: Path
) -> None:
    code = TOGETHER.format(cache=str(cache), model=str(tiny_reranker))
    folders = [tmp_path / "one", tmp_path / "other"]
    entry = entry_of(ScorerConfig(str(tiny_reranker), "onnx"))
    entry.parent.mkdir(parents=True)
    deadline = time.monotonic() + 120
    with ThreadPoolExecutor(2) as threads:
        # The lock holds both back until both have found no export.
        with FileLock(entry.with_name(f".{entry.name}.lock")):
            for folder in folders:
                folder.mkdir()
                (folder / "err").touch()
            both = [threads.submit(ran, preloaded_python, code, folder) for folder in folders]
            while not all("waiting for" in (one / "err").read_text() for one in folders):
                assert time.monotonic() < deadline
                time.sleep(0.05)
        done = [one.result() for one in both]
    assert [one.returncode for one in done] == [0, 0], done
    assert done[0].stdout == done[1].stdout
    assert sum(one.stderr.count("INFO:bge_rerank.export.cached:exporting") for one in done) == 1
    assert len(list(cached_exports())) == 1


def test_without_a_folder_to_write_the_error_names_the_variable(
    tiny_reranker: Path, cache: Path
) -> None:
    cache.write_text("a file")
    with pytest.raises(ConfigurationError, match="set BGE_RERANK_CACHE to a folder") as caught:
        load_scorer(str(tiny_reranker), "onnx").score(PAIRS)
    assert str(cache) in str(caught.value)


LIMITED = """
import os, resource
os.environ["BGE_RERANK_CACHE"] = {cache!r}
from bge_rerank import ConfigurationError, load_scorer
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    load_scorer({model!r}, "onnx").score([("q", "p")])
except ConfigurationError as error:
    print(error)
"""


def test_a_disk_without_space_is_named_and_nothing_stays(
    tiny_reranker: Path, cache: Path, preloaded_python: Path, tmp_path: Path
) -> None:
    """A limit on the size of files has the same effect as a full disk."""
    done = ran(
        preloaded_python, LIMITED.format(cache=str(cache), model=str(tiny_reranker)), tmp_path
    )
    assert "cannot write the export" in done.stdout, done.stderr
    assert "set BGE_RERANK_CACHE to a folder with free space" in done.stdout
    assert str(cache) in done.stdout
    assert [path for path in cache.rglob("*") if path.suffix in (".onnx", ".json")] == []


def test_without_torch_the_error_says_what_to_install_and_a_cached_export_runs(
    tiny_reranker: Path, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bge_rerank.backends.torch.scorer", None)
    assert len(load_scorer(str(tiny_reranker), "onnx").score(PAIRS)) == len(PAIRS)
    clear_cache()
    monkeypatch.setattr(loading, "_loaded", {})
    with pytest.raises(MissingDependencyError, match=r"must export it first.*\[export\]'"):
        load_scorer(str(tiny_reranker), "onnx").score(PAIRS)


def test_without_the_extra_the_error_names_an_int8_graph_that_the_model_brings_along(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_loaded", {})
    monkeypatch.setitem(sys.modules, "bge_rerank.export.cached", None)
    said = r"'mini' has no graph for dtype='auto', only one that dtype='int8' runs; exporting one needs"
    with pytest.raises(MissingDependencyError, match=said):
        load_scorer("mini", "openvino").score(PAIRS)
    assert len(load_scorer("mini", "openvino", dtype="int8").score(PAIRS)) == len(PAIRS)


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_a_cached_export_runs_without_importing_torch(
    tiny_reranker: Path, filled: Path, backend: str
) -> None:
    script = f"{EXPORT}\nassert not {{'torch', 'bge_rerank.export'}} & set(sys.modules)"
    subprocess.run(
        [sys.executable, "-c", script, str(tiny_reranker), backend], check=True, capture_output=True
    )


def test_a_precision_that_the_backend_does_not_run_is_refused_before_the_export(
    tiny_reranker: Path, cache: Path
) -> None:
    for backend, dtype in (("onnx", "bfloat16"), ("openvino", "float16")):
        with pytest.raises(ConfigurationError, match="exports a model only for auto, float32"):
            load_scorer(str(tiny_reranker), backend, dtype=dtype).score(PAIRS)
    with pytest.raises(ConfigurationError, match="runs only on the CPU"):
        load_scorer(str(tiny_reranker), "onnx", device="cuda").score(PAIRS)
    assert not cache.exists()


def test_auto_takes_a_cached_export_on_a_cpu_and_else_says_that_there_could_be_one(
    tiny_reranker: Path,
    filled: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    installed = {"torch", "openvino", "onnx"}
    monkeypatch.setattr(auto_backend, "is_installed", lambda name: name in installed)
    model = str(tiny_reranker)
    assert choose_backend(ScorerConfig(model, device="cpu")) == "openvino"
    assert choose_backend(ScorerConfig(model, dtype="bfloat16", device=["cpu"])) == "openvino"
    assert choose_backend(ScorerConfig(model, dtype="float16", device="cpu")) == "torch"
    assert choose_backend(ScorerConfig(model, device="cuda")) == "torch"
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: torch.device("cuda"))
    assert choose_backend(ScorerConfig(model)) == "torch"

    assert clear_cache() == []
    with caplog.at_level(logging.INFO, "bge_rerank"):
        assert choose_backend(ScorerConfig(model, device="cpu")) == "torch"
        installed.remove("openvino")
        assert choose_backend(ScorerConfig(model, device="cpu")) == "torch"
    assert (
        sum("exports" in message and "on first use" in message for message in caplog.messages) == 1
    )


def test_the_command_lists_and_clears_the_cache(
    tiny_reranker: Path, filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = filled / "exports" / "mine"
    mine.mkdir()
    [entry] = entries()
    assert main(["cache", "list"]) == 0
    model, precision, size, date, path = capsys.readouterr().out.strip().split("\t")
    assert (model, precision, path) == (str(tiny_reranker), "fp32", str(entry))
    assert size.endswith(" MB")
    assert len(date) == len("2026-11-29")
    with FileLock(entry.with_name(f".{entry.name}.lock")):
        assert main(["cache", "clear"]) == 0
    assert f"kept {entry}" in capsys.readouterr().out
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out == "exports removed: 1 (0 MB)\n"
    assert main(["cache", "list"]) == 0
    assert capsys.readouterr().out == f"no exports in {filled / 'exports'}\n"
    assert mine.is_dir()


@pytest.mark.long
def test_int8_is_exported_on_request_only(
    cache: Path, exports: list[str], mini: Path, tmp_path: Path
) -> None:
    no_graph = shutil.ignore_patterns("*.onnx")
    weights = str(shutil.copytree(mini, tmp_path / "weights", ignore=no_graph))
    expected = load_scorer(weights, "torch", dtype="float32").score(PAIRS)
    scorer = load_scorer(weights, dtype="int8")
    assert scorer.score(PAIRS) == pytest.approx(expected, abs=0.5)
    assert (exports, scored_by(scorer).precision) == (["int8"], "int8")
