"""The circumstances of a run: data, machine, versions, and how each model really ran."""

from pathlib import Path

import pytest

import bge_rerank_mini
from bge_rerank import Reranker, __version__, load_scorer
from bge_rerank.evaluation import ModelRun, Run, evaluate
from bge_rerank.evaluation.report.wording import run_rows
from bge_rerank.evaluation.runs import describe_run
from labelled_queries import Told, labelled_queries


def test_a_run_names_the_backend_and_the_precision_that_auto_chose() -> None:
    run = describe_run({"m": Reranker(load_scorer("mini", score_cache="memory"))}, "data.jsonl")
    ran = run.models["m"]
    assert ran.backend in ("torch", "openvino", "onnx")
    assert ran.precision in ("float32", "bfloat16")
    assert ran.files == str(Path(bge_rerank_mini.__file__).parent / "model")
    assert run.versions["bge-rerank"] == __version__
    assert run.versions.keys() >= {"Python", "torch", "transformers"}
    assert run.cpu
    assert run.cores >= 1


def test_a_served_model_is_named_without_asking_the_server() -> None:
    served = load_scorer("m", "tei", base_url="http://localhost:1", max_length=512)
    run = describe_run({"m": Reranker(served)}, None)
    assert run.models == {"m": ModelRun("m", backend="tei", max_length=512)}


def test_a_custom_scorer_is_named_by_its_class() -> None:
    run = describe_run({"m": Reranker(Told())}, None)
    assert run.models == {"m": ModelRun("labelled_queries.Told")}


def test_the_rows_of_a_run_leave_out_what_is_unknown() -> None:
    rows = run_rows(Run("today", None, "CPU", 1, {"Python": "3"}, {"m": ModelRun("m")}))
    assert dict(rows) == {
        "date": "today",
        "machine": "CPU, 1 core",
        "versions": "Python 3",
        "model m": "m",
    }


def test_an_evaluation_has_each_run_that_measured_queries(tmp_path: Path) -> None:
    def fail(number: int) -> None:
        if number == 10:
            raise KeyboardInterrupt

    given = {"output": tmp_path, "depths": []}
    with pytest.raises(KeyboardInterrupt):
        evaluate(labelled_queries(40), {"told": Told(fail)}, source="one place", **given)
    resumed = evaluate(labelled_queries(40), {"told": Told()}, source="another", **given)
    assert [run.source for run in resumed.runs] == ["one place", "another"]
    again = evaluate(labelled_queries(40), {"told": Told()}, source="a third", **given)
    assert again.runs == resumed.runs
