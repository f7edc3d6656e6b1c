"""The file of queries: an interrupted run is resumed, and foreign files are left alone."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bge_rerank import (
    ConfigurationError,
    InvalidInputError,
    Reranker,
    ScoringError,
    load_scorer,
)
from bge_rerank.evaluation import LabelledQuery, evaluate
from bge_rerank.evaluation.evaluate import RECORDS_FILE
from calibrations import calibration
from evaluations import without_times
from labelled_queries import Told, labelled_queries
from measured_depths import evaluated, lines_of

ROOT = Path(__file__).parents[3]


def test_if_a_model_fails_earlier_queries_are_kept(tmp_path: Path) -> None:
    def fail(number: int) -> None:
        if number == 10:
            raise ScoringError("out of order")

    with pytest.raises(ScoringError):
        evaluate(labelled_queries(40), {"told": Told(fail)}, output=tmp_path, depths=[])
    assert len(lines_of(tmp_path)) == 1 + 9  # a header; one of the ten calls warmed the model up


def killed(folder: Path, count: int, at: int) -> None:
    code = f"from labelled_queries import *\nevaluate_and_be_killed({str(folder)!r}, {count}, {at})"
    paths = [str(ROOT), str(ROOT / "tests" / "support")]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path[:0] = {paths}\n{code}"], check=False
    )
    assert done.returncode == -9


@pytest.mark.light_processes
def test_a_killed_run_is_resumed_to_the_same_result(tmp_path: Path) -> None:
    killed(tmp_path, count=60, at=31)
    assert len(lines_of(tmp_path)) == 16
    with (tmp_path / RECORDS_FILE).open("ab") as file:
        file.write(b'{"id": "q15", "rele')
    scorer = Told()
    resumed = evaluate(labelled_queries(60), {"told": scorer}, output=tmp_path)
    # 45 queries and a warm-up; 5 of the first 20 queries and every tenth also at depth 5
    assert scorer.calls == 45 + 1 + 5 + 4
    assert without_times(resumed) == without_times(evaluate(labelled_queries(60), {"told": Told()}))
    assert len(lines_of(tmp_path)) == 61


def test_a_finished_run_is_not_measured_again(tmp_path: Path) -> None:
    first = evaluate(labelled_queries(40), {"told": Told()}, output=tmp_path)
    scorer = Told()
    again = evaluate(labelled_queries(40), {"told": scorer}, output=tmp_path)
    assert scorer.calls == 0
    assert again == first


def test_a_file_without_numbers_may_be_reused_with_other_settings(tmp_path: Path) -> None:
    def fail(_number: int) -> None:
        raise ScoringError("out of order")

    with pytest.raises(ScoringError):
        evaluate(labelled_queries(2), {"wrong": Told(fail)}, output=tmp_path)
    evaluate(labelled_queries(2), {"told": Told()}, output=tmp_path)
    header, *records = lines_of(tmp_path)
    assert list(header["settings"]["models"]) == ["told"]
    assert len(records) == 2


def test_fresh_deletes_the_earlier_numbers(tmp_path: Path) -> None:
    evaluate(labelled_queries(40), {"told": Told()}, output=tmp_path)
    evaluate(labelled_queries(5), {"told": Told()}, output=tmp_path, depth=2, fresh=True)
    assert len(lines_of(tmp_path)) == 6


def interrupted(count: int, at: int) -> Iterator[LabelledQuery]:
    """Give queries until the run is interrupted."""
    for number, query in enumerate(labelled_queries(count)):
        if number == at:
            raise KeyboardInterrupt
        yield query


@pytest.mark.parametrize("at", [7, 33])
def test_an_interrupted_run_is_resumed_to_the_same_results_by_depth(
    tmp_path: Path, at: int
) -> None:
    given = {"depth": 6, "depths": [2, 4], "k": 3, "output": tmp_path / "broken"}
    with pytest.raises(KeyboardInterrupt):
        evaluate(interrupted(60, at), {"told": Told()}, **given)
    resumed = evaluate(labelled_queries(60), {"told": Told()}, **given)
    whole = evaluate(
        labelled_queries(60), {"told": Told()}, **given | {"output": tmp_path / "whole"}
    )
    for one, other in zip(
        lines_of(tmp_path / "broken")[1:], lines_of(tmp_path / "whole")[1:], strict=True
    ):
        assert one["depths"] == other["depths"]
        assert one["depth_milliseconds"].keys() == other["depth_milliseconds"].keys()
    [one], [other] = resumed.models, whole.models
    assert one.recommended_depth == other.recommended_depth
    figures = [[(p.depth, p.after, p.low, p.high) for p in model.depths] for model in (one, other)]
    assert figures[0] == figures[1]
    assert evaluate(labelled_queries(60), {"told": Told()}, **given) == resumed


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"depth": 2}, "depth was 50 and is 2"),
        ({"k": 3}, "k was 10 and is 3"),
        ({"data": {"file": "b"}}, 'data.file was "a" and is "b"'),
        (
            {"models": {"mini": load_scorer("mini", "torch")}},
            'models.mini.scorer.backend was "auto" and is "torch"',
        ),
        (
            {"models": {"mini": Reranker(load_scorer("mini"))}},
            "models.mini.top_n was not set and is 3",
        ),
        (
            {"models": {"mini": Reranker(load_scorer("mini"), top_n=None, rrf_k=60)}},
            "models.mini.rrf_k was not set and is 60",
        ),
        (
            {
                "models": {
                    "mini": Reranker(
                        load_scorer("mini"), None, calibration=calibration(), min_precision=0.8
                    )
                }
            },
            "models.mini.min_logit was not set and is ",
        ),
        (
            {"models": {"mini": Reranker(load_scorer("mini"), None, latency_budget_ms=50)}},
            "models.mini.latency_budget_ms was not set and is 50",
        ),
        ({"models": {"other": load_scorer("mini")}}, "models.mini is missing; models.other is new"),
    ],
)
def test_settings_that_differ_from_those_of_the_file_are_named(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    settings: dict[str, Any] = {"models": {"mini": load_scorer("mini")}, "data": {"file": "a"}}
    evaluate([LabelledQuery("q", "q", [], {"a": 1})], **settings, output=tmp_path)
    before = (tmp_path / RECORDS_FILE).read_bytes()
    with pytest.raises(ConfigurationError, match=message):
        evaluate(labelled_queries(1), **(settings | changed), output=tmp_path)
    assert (tmp_path / RECORDS_FILE).read_bytes() == before


def test_depths_that_differ_from_those_of_the_file_are_named(tmp_path: Path) -> None:
    evaluated(5, output=tmp_path)
    with pytest.raises(ConfigurationError, match=r"depths was \[1, 2, 4, 6\] and is \[3, 6\]"):
        evaluated(5, depths=[3], output=tmp_path)


def test_a_file_of_an_older_format_is_refused(tmp_path: Path) -> None:
    evaluated(5, output=tmp_path)
    file = tmp_path / RECORDS_FILE
    older = file.read_bytes().replace(b'"format": 4', b'"format": 3', 1)
    file.write_bytes(older)
    with pytest.raises(InvalidInputError, match="version of evaluate did not write.*fresh=True"):
        evaluated(5, output=tmp_path)
    assert file.read_bytes() == older


def test_secrets_are_not_written(tmp_path: Path) -> None:
    scorer = load_scorer(
        "m", "tei", base_url="http://localhost:1", api_key="secret", headers={"X": "secret"}
    )
    evaluate([LabelledQuery("q", "q", [], {"a": 1})], {"served": scorer}, output=tmp_path)
    assert "localhost:1" in (tmp_path / RECORDS_FILE).read_text()
    assert "secret" not in (tmp_path / RECORDS_FILE).read_text()


@pytest.mark.parametrize(
    "contents", [b"no newline", b'{"_id": "1"}\n', b"text\n", b"[]\n", b"[" * 100_000 + b"\n"]
)
def test_a_file_that_holds_no_evaluation_is_left_alone(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / RECORDS_FILE).write_bytes(contents)
    with pytest.raises(InvalidInputError):
        evaluate(labelled_queries(1), {"told": Told()}, output=tmp_path)
    assert (tmp_path / RECORDS_FILE).read_bytes() == contents


def test_an_unfinished_header_is_replaced(tmp_path: Path) -> None:
    evaluate(labelled_queries(2), {"told": Told()}, output=tmp_path)
    file = tmp_path / RECORDS_FILE
    whole = file.read_bytes()
    file.write_bytes(whole[:20])
    evaluate(labelled_queries(2), {"told": Told()}, output=tmp_path)
    assert file.read_bytes().splitlines()[0] == whole.splitlines()[0]


def test_a_broken_line_inside_the_file_is_named(tmp_path: Path) -> None:
    evaluate(labelled_queries(2), {"told": Told()}, output=tmp_path)
    file = tmp_path / RECORDS_FILE
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + b'{"id": "q0"}\n' + lines[2])
    with pytest.raises(InvalidInputError, match=r"evaluation\.jsonl:2: not a line of an evalu"):
        evaluate(labelled_queries(2), {"told": Told()}, output=tmp_path)
