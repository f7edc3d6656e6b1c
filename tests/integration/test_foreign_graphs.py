"""Exported graphs of other tools: the layouts on the hub, and graphs that are damaged or not a reranker's."""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest

from bge_rerank import (
    ConfigurationError,
    MissingDependencyError,
    ModelLoadError,
    UnsupportedModelError,
    load_scorer,
)
from bge_rerank.backends.encoder.batches import padded
from bge_rerank.backends.exported.files import read_export
from bge_rerank.models import auto_backend
from bge_rerank.models.auto_backend import choose_backend
from bge_rerank.models.config import ScorerConfig
from conftest import PASSAGES, QUERY
from environments import environment, run
from fake_hub import REPOSITORY, fake_hub
from foreign_graphs import (
    without_graph,
    write_int8,
    write_onnx,
    write_openvino,
    write_with_largest_sums,
    write_with_output,
)

PAIRS = [(QUERY, passage) for passage in PASSAGES]
RUNTIMES = ["openvino", "onnx"]


@pytest.fixture
def folder(tiny_export: Path, tmp_path: Path) -> Path:
    """Return a folder with config and tokenizer of a tiny model, and no graph."""
    return without_graph(tiny_export, tmp_path / "foreign")


def scores(model: Path, backend: str, **options: Any) -> list[float]:
    return load_scorer(str(model), backend, **options).score(PAIRS)


def near(expected: list[float]) -> Any:
    return pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("backend", RUNTIMES)
@pytest.mark.parametrize("data", [None, "model.onnx.data", "model.onnx_data"])
@pytest.mark.parametrize("path", ["model.onnx", "onnx/model.onnx"])
def test_onnx_graphs_of_other_tools_are_read(
    folder: Path, tiny_export: Path, path: str, data: str | None, backend: str
) -> None:
    write_onnx(tiny_export, folder / path, data)
    assert scores(folder, backend) == near(scores(tiny_export, "onnx"))


@pytest.mark.parametrize("path", ["openvino_model.xml", "openvino/openvino_model.xml"])
def test_graphs_in_openvinos_format_are_read(folder: Path, tiny_export: Path, path: str) -> None:
    write_openvino(tiny_export, folder / path)
    assert scores(folder, "openvino") == near(scores(tiny_export, "openvino"))
    with pytest.raises(ModelLoadError, match="has no exported graph that backend 'onnx' reads"):
        scores(folder, "onnx")


@pytest.mark.parametrize("name", ["model_int8.onnx", "model_quantized.onnx"])
@pytest.mark.parametrize("place", ["", "onnx/"])
def test_dtype_chooses_among_graphs_and_a_log_line_names_the_graph(
    folder: Path, tiny_export: Path, place: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_onnx(tiny_export, folder / "model.onnx")
    write_int8(tiny_export, folder / place / name)
    with caplog.at_level(logging.INFO, "bge_rerank.backends.exported.files"):
        precisions = [
            load_scorer(str(folder), "onnx", dtype=dtype).loaded().precision  # type: ignore[attr-defined]
            for dtype in ("auto", "float32", "int8")
        ]
    assert precisions == ["float32", "float32", "int8"]
    taken = [message for message in caplog.messages if "takes the graph" in message]
    assert taken[0] == f"backend 'onnx' takes the graph model.onnx of {folder}, stored in float32"
    assert f"graph {place}{name} of" in taken[2]


def test_a_precision_that_no_graph_has_is_refused_with_the_graphs_there(
    folder: Path, tiny_export: Path
) -> None:
    write_onnx(tiny_export, folder / "model.onnx")
    with pytest.raises(ConfigurationError, match="dtype is 'int8', but .* has only model.onnx;"):
        scores(folder, "onnx", dtype="int8")


@pytest.mark.parametrize("backend", RUNTIMES)
def test_a_graph_with_logits_in_one_dimension_is_read(
    folder: Path, tiny_export: Path, backend: str
) -> None:
    write_with_output(tiny_export, folder / "model.onnx", "logits", None)
    assert scores(folder, backend) == near(scores(tiny_export, "onnx"))


@pytest.mark.parametrize("backend", RUNTIMES)
@pytest.mark.parametrize(
    ("output", "message"),
    [
        (("logits", 3), r"logits of shape \(1, 3\) for 1 pairs"),
        (("last_hidden_state", 3), "the outputs last_hidden_state and not 'logits'"),
    ],
)
def test_a_graph_that_is_not_a_rerankers_is_refused(
    folder: Path, tiny_export: Path, output: tuple[str, int], message: str, backend: str
) -> None:
    write_with_output(tiny_export, folder / "model.onnx", *output)
    with pytest.raises(UnsupportedModelError, match=message):
        scores(folder, backend)


@pytest.mark.parametrize("backend", RUNTIMES)
def test_sums_of_8_bit_products_are_exact_on_each_cpu(folder: Path, backend: str) -> None:
    write_with_largest_sums(folder / "model_int8.onnx", terms=64)
    assert scores(folder, backend, dtype="int8") == near([64.0] * len(PAIRS))


@pytest.mark.parametrize("backend", RUNTIMES)
def test_scores_that_depend_on_the_batch_cause_a_warning(
    folder: Path, tiny_export: Path, backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_int8(tiny_export, folder / "model_quantized.onnx")
    scorer = load_scorer(str(folder), backend, max_batch_tokens=1)
    together = scorer.score(PAIRS)
    [warning] = [record for record in caplog.records if "depend on the batch" in record.message]
    assert warning.levelname == "WARNING"
    assert str(folder / "model_quantized.onnx") in warning.message
    assert together == [scorer.score([pair])[0] for pair in PAIRS]


def test_a_graph_whose_scores_do_not_depend_on_the_batch_causes_no_warning(
    folder: Path, tiny_export: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_onnx(tiny_export, folder / "model.onnx")
    for backend, dtype in (("onnx", "auto"), ("openvino", "auto"), ("openvino", "bfloat16")):
        scores(folder, backend, dtype=dtype)
    # The only other warning is of a CPU on which bfloat16 is slow.
    assert not [message for message in caplog.messages if "float32 faster" not in message]


def lose_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def lose_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def lose_weights(folder: Path) -> None:
    (folder / "model.onnx.data").unlink()


def write_text(folder: Path) -> None:
    (folder / "model.onnx").write_text("version https://git-lfs.github.com/spec/v1\n")


@pytest.mark.parametrize("backend", RUNTIMES)
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lose_config, r"config\.json"),
        (lose_tokenizer, "has a graph but no tokenizer.json; copy the file"),
        (lose_weights, r"cannot read .*model\.onnx.*; export or download the model again"),
        (write_text, r"cannot read .*model\.onnx.*; export or download the model again"),
    ],
)
def test_a_damaged_folder_is_refused_with_the_name_of_the_file(
    folder: Path, tiny_export: Path, damage: Callable[[Path], None], message: str, backend: str
) -> None:
    write_onnx(tiny_export, folder / "model.onnx", "model.onnx.data")
    damage(folder)
    with pytest.raises(ModelLoadError, match=message) as caught:
        scores(folder, backend)
    assert "\n" not in str(caught.value)


def test_openvinos_graph_without_its_weights_is_refused(folder: Path, tiny_export: Path) -> None:
    write_openvino(tiny_export, folder / "openvino_model.xml")
    (folder / "openvino_model.bin").unlink()
    with pytest.raises(ModelLoadError, match=r"cannot read .*openvino_model\.xml"):
        scores(folder, "openvino")


def test_auto_runs_a_graph_without_weights_and_prefers_weights_to_it(
    folder: Path,
    tiny_export: Path,
    tiny_reranker: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    installed = {"torch", "openvino", "onnx"}
    monkeypatch.setattr(auto_backend, "is_installed", lambda name: name in installed)
    config = ScorerConfig(str(folder))
    write_onnx(tiny_export, folder / "model.onnx")
    assert choose_backend(config) == "openvino"

    shutil.copyfile(tiny_reranker / "model.safetensors", folder / "model.safetensors")
    with caplog.at_level(logging.INFO, "bge_rerank"):
        assert choose_backend(config) == "torch"
    assert "nobody compared the scores of model.onnx" in caplog.text
    assert choose_backend(ScorerConfig(str(folder), dtype="int8")) == "openvino"
    installed.remove("torch")
    assert choose_backend(config) == "openvino"


def test_auto_without_a_runtime_that_reads_the_graph_says_what_to_install(
    folder: Path, tiny_export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_openvino(tiny_export, folder / "openvino_model.xml")
    monkeypatch.setattr(auto_backend, "is_installed", lambda name: name == "onnx")
    with pytest.raises(MissingDependencyError, match=r"pip install 'bge-rerank\[openvino\]'"):
        choose_backend(ScorerConfig(str(folder)))


SCORE = """
import sys
from bge_rerank import load_scorer
model, backend, dtype, cache = sys.argv[1:]
print(load_scorer(model, backend, dtype=dtype, cache_dir=cache).score([("what causes tides", "The Moon.")]))
"""


def test_only_the_chosen_graph_is_downloaded_from_the_hub(
    folder: Path, tiny_export: Path, tmp_path: Path
) -> None:
    write_onnx(tiny_export, folder / "onnx/model.onnx", "model.onnx_data")
    write_int8(tiny_export, folder / "onnx/model_quantized.onnx")
    write_openvino(tiny_export, folder / "openvino/openvino_model.xml")
    needed = {
        ("onnx", "auto"): {"onnx/model.onnx", "onnx/model.onnx_data"},
        ("onnx", "int8"): {"onnx/model_quantized.onnx"},
        ("openvino", "auto"): {"openvino/openvino_model.xml", "openvino/openvino_model.bin"},
    }
    with fake_hub(folder) as hub:
        online = {**os.environ, "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.url}
        for number, (choice, files) in enumerate(needed.items()):
            hub.downloaded.clear()
            command = [
                sys.executable,
                "-c",
                SCORE,
                REPOSITORY,
                *choice,
                str(tmp_path / str(number)),
            ]
            done = subprocess.run(command, env=online, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert set(hub.downloaded) == {"config.json", "tokenizer.json"} | files
    # The hub is gone now, so the files in its cache count.
    again = subprocess.run(command, env=online, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stdout) == (0, done.stdout), again.stderr


def test_our_export_is_read_by_plain_onnx_runtime_in_rows_of_two_dimensions(
    tiny_export: Path,
) -> None:
    session = ort.InferenceSession(tiny_export / "onnx/model.onnx")
    encoder = read_export(ScorerConfig(str(tiny_export), "onnx")).encoder
    arrays = padded(encoder.encode(PAIRS), pad_token_id=1)
    wanted = {node.name: arrays[node.name] for node in session.get_inputs()}
    [logits] = session.run(["logits"], wanted)
    assert logits.shape == (len(PAIRS), 1)
    assert [row[0] for row in logits.tolist()] == near(scores(tiny_export, "onnx"))


CROSS_ENCODER = """
import sys
import torch
from sentence_transformers import CrossEncoder
model = CrossEncoder(sys.argv[1], backend="onnx", device="cpu", activation_fn=torch.nn.Identity())
print(*model.predict([("what causes tides", "The Moon."), ("q", "p")]))
"""


@pytest.mark.long
def test_sentence_transformers_opens_our_export(exported_mini: Path, tmp_path: Path) -> None:
    requirements = ("torch==2.13.0", "sentence-transformers<6", "optimum-onnx[onnxruntime]>=0.1")
    python = environment(tmp_path / "environment", *requirements)
    printed = run(python, "-c", CROSS_ENCODER, exported_mini, cwd=tmp_path).split()
    expected = load_scorer("mini", "torch", dtype="float32").score(
        [("what causes tides", "The Moon."), ("q", "p")]
    )
    assert list(map(float, printed)) == pytest.approx(expected, abs=1e-3)
