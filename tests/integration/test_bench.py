"""A small benchmark: its rows, its files, and the processes of its contenders."""

import json
import os
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import bge_rerank_mini
from bge_rerank import MissingDependencyError, RerankError, load_scorer
from bge_rerank.backends.cores import usable_cores
from bge_rerank.cli import main
from bge_rerank.cli.bench import loaders
from bge_rerank.cli.bench.contenders import OURS, PEERS, REFERENCE, Contender, choose, server
from bge_rerank.cli.bench.figures import Figures, figures_of
from bge_rerank.cli.bench.files import Files
from bge_rerank.cli.bench.geometry import Geometry, make_random_reranker
from bge_rerank.cli.bench.measurement import measure_growth
from bge_rerank.cli.bench.own_process import OwnProcess, in_own_process
from bge_rerank.cli.bench.rows import Row
from bge_rerank.cli.bench.run import compare
from bge_rerank.cli.bench.settings import Settings
from bge_rerank.cli.bench.workload import make_workload
from conftest import PASSAGES, QUERY
from fake_server import FakeServer, logit_of, running

MINI = Files(bge_rerank_mini.path(), {}, {}, max_length=512)


TORCH = choose(OURS["cpu"], ["torch float32"])
ABSENT = Contender("absent", loaders.ask_server, "float32", ("no_such_module",))
SETTINGS = Settings("mini", None, max_length=128, rounds=1, threads=1, output=Path())
BROKEN = Contender("broken", int, "float32")
"""A contender whose build function fails."""


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compare three contenders on four documents, and return the folder of the results."""
    folder = tmp_path_factory.mktemp("benchmarks")
    compare(replace(SETTINGS, output=folder), [*TORCH, ABSENT, BROKEN], [make_workload("mixed", 4)])
    return folder


@pytest.fixture(scope="module")
def rows(output: Path) -> dict[str, dict[str, Any]]:
    [workload] = json.loads((output / "mini.json").read_text())["workloads"]
    return {row["name"]: row for row in workload["rows"]}


def test_a_contender_has_figures(rows: dict[str, dict[str, Any]]) -> None:
    row = rows[TORCH[0].name]
    assert row["failure"] is None
    assert len(row["seconds"]) == 1
    assert row["slowest"] == row["rate"] == row["fastest"] == pytest.approx(4 / row["seconds"][0])
    assert row["matmul_share"] > 0
    assert row["peak_bytes"] > row["above_weights_bytes"] >= 0
    assert row["cold_start"] > 0
    assert (row["difference"], row["tau"]) == (0, 1)
    assert row["to_reference"] is row["to_fastest_peer"] is None


def test_the_row_of_a_missing_contender_names_the_missing_module(
    rows: dict[str, dict[str, Any]],
) -> None:
    assert rows["absent"]["failure"] == "not installed: No module named 'no_such_module'"
    assert rows["absent"]["rate"] is None


def test_the_row_of_a_failed_contender_says_why(rows: dict[str, dict[str, Any]]) -> None:
    assert rows["broken"]["failure"].startswith("failed: TypeError: int()")


def test_the_files_describe_machine_and_workload(output: Path) -> None:
    written = json.loads((output / "mini.json").read_text())
    assert written["max_length"] == 128
    assert written["machine"]["cores"] == usable_cores()
    assert written["machine"]["packages"]["torch"]
    [workload] = written["workloads"]
    assert (workload["length"], workload["depth"]) == ("mixed", 4)
    assert 4 * 10 < workload["tokens"] <= 4 * 128
    assert workload["flops"] > 2 * 10_000_000 * workload["tokens"]
    assert {"float32", "bfloat16"} <= set(workload["matmul"])
    assert set(workload["outside"]) == {"adapter", "tokenise", "batch"}
    assert 0 < workload["outside_share"] < 1
    assert (output / "mini.png").read_bytes().startswith(b"\x89PNG")


def test_growth_is_measured_at_each_size() -> None:
    [grown] = measure_growth(SETTINGS, TORCH, "short", [3], MINI)
    assert (grown.name, grown.pairs, grown.failure) == (TORCH[0].name, 3, None)
    assert grown.seconds > 0


def test_backends_agree_on_a_random_model_of_a_geometry(tmp_path: Path) -> None:
    geometry = Geometry(layers=2, hidden=32, heads=4, intermediate=64, positions=64)
    make_random_reranker(geometry, tmp_path)
    pairs = [(QUERY, passage) for passage in PASSAGES]
    [torch, flag] = [
        load_scorer(str(tmp_path), backend, dtype="float32", device="cpu").score(pairs)
        for backend in ("torch", "flag")
    ]
    assert len(set(torch)) == len(PASSAGES)
    assert torch == pytest.approx(flag, abs=1e-5)
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["model_type"], config["vocab_size"]) == ("xlm-roberta", 250_002)


def test_errors_of_a_process_are_raised_in_its_parent() -> None:
    with pytest.raises(MissingDependencyError, match="no_such_module"):
        in_own_process(import_module, "no_such_module", threads=1)
    with pytest.raises(RerankError, match="ValueError: invalid literal"):
        in_own_process(int, "x", threads=1)
    with pytest.raises(RerankError, match="exit code 3"):
        in_own_process(os._exit, 3, threads=1)


def test_a_process_has_the_given_number_of_threads_and_cores() -> None:
    assert in_own_process(os.getenv, "OMP_NUM_THREADS", threads=1) == "1"
    assert in_own_process(usable_cores, threads=1) == 1


def test_a_process_keeps_its_object_between_requests() -> None:
    with OwnProcess(list, "ab", threads=1) as process:
        process.ask("append", "c")
        assert process.ask("index", "c") == 2


@pytest.mark.parametrize("dialect", ["tei", "cohere"])
def test_a_server_is_asked_for_logits_in_input_order(dialect: str) -> None:
    texts = ["aaaa", "a", "aaa", "aa", "aaaaa"]
    with running(FakeServer(dialect, info={"max_client_batch_size": 2})) as fake:
        logits = server(fake.url, dialect, "m").build(Path(), 512, "cpu")("q", texts)
    assert logits == pytest.approx([logit_of("q", text) for text in texts])


def test_the_row_of_an_unreachable_server_says_so() -> None:
    row = Row(server("http://127.0.0.1:9", "tei", "m"))
    row.take_turn(SETTINGS, MINI, make_workload("short", 2), 1, stays=False)
    [figures] = figures_of([row], flops=1, rates={})
    assert isinstance(figures, Figures)
    assert figures.failure is not None
    assert figures.failure.startswith("failed: ServerError: http://127.0.0.1:9/info")


def test_cuda_has_other_contenders_and_separate_files() -> None:
    names = [contender.name for contender in (*OURS["cuda"], *PEERS["cuda"])]
    assert "bge-rerank torch float16, padded" in names
    assert "bge-rerank openvino int8" not in names
    assert REFERENCE in names
    on_gpu = replace(SETTINGS, device="cuda:1")
    assert (SETTINGS.name, on_gpu.name) == ("mini", "mini-cuda-1")
    assert on_gpu.title == "mini, cuda:1, 1 cores"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--contenders", "nobody"], "no contender's name contains 'nobody'"),
        (["--device", "tpu"], "device is 'tpu'; give cpu, cuda or cuda:N"),
        (
            ["--device", "cuda", "--contenders", "openvino"],
            "no contender's name contains 'openvino'",
        ),
        (["--rounds", "0"], "rounds is 0"),
        (["--threads", "0"], "threads is 0"),
        (["--model", "/no/such"], "the folder '/no/such' does not exist"),
        (["--max-length", "100000"], "--max-length is 100000"),
    ],
)
def test_a_wrong_option_is_one_line_on_standard_error(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["bench", "--output", str(tmp_path), *arguments]) == 1
    assert message in capsys.readouterr().err
