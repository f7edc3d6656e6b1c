"""`bge-rerank export`: the folder that it writes, its errors, and the backends that read the folder."""

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino as ov
import pytest
import torch

from bge_rerank import (
    ConfigurationError,
    ExportError,
    InvalidInputError,
    MissingDependencyError,
    ModelLoadError,
    UnsupportedModelError,
    load_scorer,
)
from bge_rerank.backends.exported import openvino as openvino_module
from bge_rerank.backends.exported.openvino import OpenVinoScorer
from bge_rerank.backends.torch.attention import EagerAttention
from bge_rerank.cli import main
from bge_rerank.data.pairs import read_pairs
from bge_rerank.export import export_model
from bge_rerank.export import graph as graph_module
from bge_rerank.export.check import check_export
from bge_rerank.export.samples import sample_pairs
from bge_rerank.models import auto_backend as auto_backend_module
from bge_rerank.models.auto_backend import choose_backend
from bge_rerank.models.config import ScorerConfig
from bge_rerank.types import Pair
from conftest import REVISION
from hub_shape import add_to_hub_cache
from tiny_encoders import make_tiny_reranker

RUNTIMES = ["openvino", "onnx"]
PAIRS = sample_pairs(12)


def logits(model: str | Path, backend: str, **options: Any) -> list[float]:
    return load_scorer(str(model), backend, **options).score(PAIRS)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_float32_export_scores_as_torch_does(exported_mini: Path, runtime: str) -> None:
    expected = logits("mini", "torch", dtype="float32")
    assert logits(exported_mini, runtime) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_xlm_roberta_export_scores_as_torch_does(
    tiny_reranker: Path, tiny_export: Path, runtime: str
) -> None:
    expected = logits(tiny_reranker, "torch", dtype="float32")
    assert logits(tiny_export, runtime) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_int8_export_is_near_and_of_less_than_half_the_size(
    exported_mini: Path, exported_mini_int8: Path, runtime: str
) -> None:
    expected = logits("mini", "torch", dtype="float32")
    got = logits(exported_mini_int8, runtime)
    assert np.corrcoef(got, expected)[0, 1] > 0.995
    size, small = (
        (folder / "onnx/model.onnx").stat().st_size
        for folder in (exported_mini, exported_mini_int8)
    )
    assert small < 0.5 * size


def test_an_int8_export_leaves_attention_outliers_and_head_in_float(
    exported_mini_int8: Path,
) -> None:
    nodes = onnx.load(exported_mini_int8 / "onnx/model.onnx").graph.node
    made_by = {output: node.op_type for node in nodes for output in node.output}
    products = [node for node in nodes if node.op_type in ("MatMul", "Gemm")]
    quantised = [node for node in products if made_by.get(node.input[1]) == "DequantizeLinear"]
    # Five of the six layers have six products and the outliers' two. One product of the first layer stays
    # in float. In the last layer, only keys and values are quantised.
    assert len(quantised) == 5 * 6 - 1 + 2
    assert all(made_by[node.input[0]] == "DequantizeLinear" for node in quantised)


def test_an_int8_export_has_its_words_in_float16_and_the_small_embeddings_in_float32(
    exported_mini_int8: Path,
) -> None:
    graph = onnx.load(exported_mini_int8 / "onnx/model.onnx").graph
    types = {weight.name: weight.data_type for weight in graph.initializer}
    tables = [node.input[0] for node in graph.node if node.op_type == "Gather"]
    assert {table: types[table] for table in tables if "embeddings" in table} == {
        "model.bert.embeddings.word_embeddings.weight": onnx.TensorProto.FLOAT16,
        "model.bert.embeddings.token_type_embeddings.weight": onnx.TensorProto.FLOAT,
        "model.bert.embeddings.position_embeddings.weight": onnx.TensorProto.FLOAT,
    }


def test_no_graph_names_files_of_the_machine_that_exported_it(
    exported_mini: Path, exported_mini_int8: Path, mini: Path
) -> None:
    exports = [folder / "onnx" / "model.onnx" for folder in (exported_mini, exported_mini_int8)]
    for graph in (*exports, mini / "model_int8.onnx"):
        assert b".py" not in graph.read_bytes()


def test_bfloat16_in_openvino_is_near(exported_mini: Path) -> None:
    expected = logits("mini", "torch", dtype="float32")
    got = logits(exported_mini, "openvino", dtype="bfloat16")
    assert got == pytest.approx(expected, abs=0.2)


def test_a_logit_is_not_rounded_to_bfloat16(exported_mini: Path) -> None:
    got = torch.tensor(logits(exported_mini, "openvino", dtype="bfloat16"))
    assert (got != got.bfloat16().float()).float().mean() > 0.9


def test_weights_past_the_limit_of_one_file_lie_beside_the_graph(
    tiny_reranker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_module, "PROTOBUF_LIMIT", 1_000)
    export_model(str(tiny_reranker), tmp_path / "tiny")
    assert sorted(path.name for path in (tmp_path / "tiny" / "onnx").iterdir()) == [
        "bge_rerank.json",
        "model.onnx",
        "model.onnx.data",
    ]
    manifest = json.loads((tmp_path / "tiny/onnx/bge_rerank.json").read_text())
    assert set(manifest["sha256"]) == {
        "../config.json",
        "../tokenizer.json",
        "model.onnx",
        "model.onnx.data",
    }
    # In the hub's cache, each file is a link to another folder.
    add_to_hub_cache(tmp_path / "hub", "acme/large", tmp_path / "tiny", REVISION)
    for runtime in RUNTIMES:
        of_hub = logits("acme/large", runtime, cache_dir=str(tmp_path / "hub"))
        assert of_hub == logits(tmp_path / "tiny", runtime)


def test_the_manifest_names_the_source_model_and_the_precision(exported_mini_int8: Path) -> None:
    manifest = json.loads((exported_mini_int8 / "onnx/bge_rerank.json").read_text())
    assert (manifest["source_model"], manifest["precision"]) == ("mini", "int8")
    assert manifest["max_length"] == 512


def test_a_graph_that_differs_from_its_model_is_not_written(
    tiny_reranker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leave the mask out of attention. Examples of equal length would hide this fault."""

    def attend(self: Any, query: Any, key: Any, value: Any) -> Any:
        weights = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        return weights.softmax(-1) @ value

    monkeypatch.setattr(EagerAttention, "_attend", attend)
    with pytest.raises(
        ExportError, match=r"differs too much from its model: .* Nothing was written"
    ):
        export_model(str(tiny_reranker), tmp_path / "tiny")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shift", [0.5, float("nan")])
def test_scores_that_differ_fail_the_check(shift: float) -> None:
    class Lengths:
        def __init__(self, shift: float) -> None:
            self._shift = shift

        def score(self, pairs: Sequence[Pair], /) -> list[float]:
            return [len(passage) / 1_000 + self._shift for _, passage in pairs]

    expected = Lengths(0).score(PAIRS)
    assert check_export(Lengths(0), expected, PAIRS, "fp32").difference == 0
    with pytest.raises(ExportError):
        check_export(Lengths(shift), expected, PAIRS, "int8")


def test_a_folder_with_files_is_refused_and_not_changed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(ConfigurationError, match="is not an empty folder; name a new one"):
        export_model("mini", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_precision_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="precision is 'int4'; choose one of fp32, bf16"):
        export_model("mini", tmp_path / "new", "int4")  # type: ignore[arg-type]


def test_another_architecture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_tiny_reranker(tmp_path / "tiny")
    monkeypatch.setattr(graph_module.FirstTokenClassifier, "supports", lambda model: False)
    with pytest.raises(UnsupportedModelError, match="export supports bert, camembert, roberta"):
        export_model(str(folder), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_damaged_graph_is_refused(exported_mini: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(exported_mini, tmp_path / "damaged")
    with (folder / "onnx/model.onnx").open("r+b") as file:
        file.seek(50_000)
        file.write(b"\0\1\2\3")
    with pytest.raises(
        ModelLoadError, match=r"onnx/model\.onnx' is missing or differs from the exported file"
    ):
        logits(folder, "openvino")


def swap_words(tokenizer: dict[str, Any]) -> None:
    words = tokenizer["model"]["vocab"]
    words["cause"], words["bread"] = words["bread"], words["cause"]


def drop_post_processor(tokenizer: dict[str, Any]) -> None:
    tokenizer["post_processor"] = None


@pytest.mark.parametrize("change", [swap_words, drop_post_processor])
def test_a_changed_tokenizer_is_refused_and_without_a_checksum_there_is_a_warning(
    exported_mini: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[dict[str, Any]], None],
) -> None:
    folder = shutil.copytree(exported_mini, tmp_path / "changed")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    change(tokenizer)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(
        ModelLoadError, match=r"tokenizer\.json' is missing or differs from the exported file"
    ):
        logits(folder, "openvino")
    manifest = json.loads((folder / "onnx/bge_rerank.json").read_text())
    for name in ("../config.json", "../tokenizer.json"):
        del manifest["sha256"][name]
    (folder / "onnx/bge_rerank.json").write_text(json.dumps(manifest))
    assert logits(folder, "openvino") != logits(exported_mini, "openvino")
    assert "has no checksum of config.json and tokenizer.json" in caplog.text


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_graph_of_another_tool_is_read_and_a_file_that_is_not_a_graph_is_refused(
    exported_mini: Path, tmp_path: Path, runtime: str
) -> None:
    folder = shutil.copytree(exported_mini, tmp_path / "foreign")
    (folder / "onnx/bge_rerank.json").unlink()
    assert logits(folder, runtime) == logits(exported_mini, runtime)
    other = shutil.copytree(folder, tmp_path / "none")
    (other / "onnx/model.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelLoadError, match="cannot read"):
        logits(other, runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_error_for_a_folder_without_graph_and_weights_says_how_to_export(
    exported_mini: Path, tmp_path: Path, runtime: str
) -> None:
    folder = shutil.copytree(
        exported_mini, tmp_path / "bare", ignore=shutil.ignore_patterns("onnx")
    )
    with pytest.raises(ModelLoadError, match="run `bge-rerank export .*bare FOLDER`"):
        logits(folder, runtime)


@pytest.mark.parametrize(
    ("backend", "options", "message"),
    [
        ("openvino", {"device": "cuda"}, "runs only on the CPU"),
        ("onnx", {"threads": 0}, "threads is 0"),
        ("onnx", {"dtype": "bfloat16"}, "runs this export only in float32"),
        ("openvino", {"dtype": "float16"}, "dtype is 'float16'"),
        ("onnx", {"cutoff_layers": [4]}, "cutoff_layers has no effect in backend 'onnx'"),
        ("openvino", {"max_length": 513}, "allows 512 tokens at most"),
        ("openvino", {"max_batch_tokens": 0}, "max_batch_tokens is 0"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    exported_mini: Path, backend: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        logits(exported_mini, backend, **options)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_runtime_uses_the_given_number_of_threads(exported_mini: Path, runtime: str) -> None:
    scorer: Any = load_scorer(str(exported_mini), runtime, threads=1).loaded()
    assert scorer._pool.size == 1
    expected = logits(exported_mini, runtime)
    assert scorer.score(PAIRS) == pytest.approx(expected, abs=1e-4)


def test_openvino_reads_the_keys_of_attention_in_rows(
    exported_mini: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def turned_keys(graph: ov.Model) -> int:
        transposes = [node for node in graph.get_ops() if node.get_type_name() == "Transpose"]
        orders = [node.input_value(1).get_node().data.tolist() for node in transposes]
        return orders.count([0, 2, 3, 1])

    graph = ov.Core().read_model(exported_mini / "onnx/model.onnx")
    layers = turned_keys(graph)
    openvino_module._keep_keys_in_rows(graph)
    assert (layers, turned_keys(graph)) == (6, 0)

    scores = logits(exported_mini, "openvino")
    monkeypatch.setattr(openvino_module, "_keep_keys_in_rows", lambda graph: None)
    assert scores == pytest.approx(logits(exported_mini, "openvino"), abs=1e-5)


def test_openvino_accepts_the_limit_of_its_cache_of_shapes(
    exported_mini: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, openvino_module.__name__):
        OpenVinoScorer(ScorerConfig(str(exported_mini), "openvino"))
    assert caplog.messages == []


def test_an_openvino_that_does_not_know_the_limit_still_scores(
    exported_mini: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(openvino_module, "RUNTIME_CACHE", {"NO_SUCH_PROPERTY": 1})
    with caplog.at_level(logging.DEBUG, openvino_module.__name__):
        scorer = OpenVinoScorer(ScorerConfig(str(exported_mini), "openvino"))
    assert "does not take {'NO_SUCH_PROPERTY': 1}" in caplog.text
    assert scorer.score(PAIRS) == logits(exported_mini, "openvino")


def test_auto_takes_the_fastest_runtime_installed_and_says_why(
    exported_mini: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    installed = {"openvino", "onnx"}
    monkeypatch.setattr(auto_backend_module, "is_installed", lambda name: name in installed)
    config = ScorerConfig(str(exported_mini))
    with caplog.at_level(logging.INFO, "bge_rerank"):
        assert choose_backend(config) == "openvino"
    assert caplog.messages == [
        f"{exported_mini} runs in backend 'openvino', the fastest installed runtime for its exported graph"
    ]
    installed.remove("openvino")
    assert choose_backend(config) == "onnx"
    installed.remove("onnx")
    with pytest.raises(MissingDependencyError, match=r"pip install 'bge-rerank\[openvino\]'"):
        choose_backend(config)


def test_auto_takes_torch_for_weights_and_for_other_devices(exported_mini: Path) -> None:
    assert choose_backend(ScorerConfig("mini")) == "torch"
    assert choose_backend(ScorerConfig(str(exported_mini), device="cuda")) == "torch"


def test_the_cpu_may_be_named_in_a_list_as_flags_name_it(exported_mini: Path) -> None:
    assert choose_backend(ScorerConfig(str(exported_mini), device=["cpu"])) == "openvino"
    assert len(logits(exported_mini, "onnx", device=["cpu"])) == len(PAIRS)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_runtime_scores_without_torch(exported_mini: Path, runtime: str) -> None:
    script = (
        "import sys; from bge_rerank import load_scorer; "
        f"print(load_scorer({str(exported_mini)!r}, {runtime!r}).score([('tides', 'the Moon')])); "
        "sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_the_command_exports_with_samples_of_the_user_and_says_how_far_logits_differ(
    tiny_reranker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "pairs.jsonl"
    lines = [json.dumps({"query": query, "passage": passage}) for query, passage in PAIRS]
    data.write_text("\n".join(lines))
    command = ["export", str(tiny_reranker), str(tmp_path / "out")]
    assert main([*command, "--samples", str(data)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Wrote the fp32 export to {tmp_path / 'out'}. Its logits differ from ")
    assert "% of their standard deviation" in said
    assert main([*command, "--samples", str(data)]) == 1
    assert "is not an empty folder" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "no json", '{"query": "q"}', '["q", "t"]'])
def test_a_file_that_does_not_hold_pairs_is_refused(tmp_path: Path, text: str) -> None:
    data = tmp_path / "pairs.jsonl"
    data.write_text(text)
    with pytest.raises(InvalidInputError, match=r"pairs\.jsonl"):
        read_pairs(data)
