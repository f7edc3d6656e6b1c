"""`bge-rerank calibrate` and `bge-rerank drift` with a real model."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from bge_rerank import Calibration, load_scorer
from bge_rerank.cli import main
from bge_rerank.data.demo import demo_collection
from bge_rerank.scoring.identity import scored_by

MODEL = ["--model", "mini", "--max-length", "128"]


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def bge_rerank(*arguments: str | Path) -> Done:
    """Run a command in this process, so that the model is loaded once for all tests."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        status = main(list(map(str, arguments)))
    stdout, stderr = (stream.buffer.getvalue().decode() for stream in (out, err))
    return Done(status, stdout, stderr)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's questions, each with its judged passages."""
    collection = demo_collection()
    texts = {passage.id: passage.text for passage in collection.passages}
    lines = [
        {
            "query": question,
            "candidates": [
                {"id": id_, "text": texts[id_]} for id_ in collection.judgements[number]
            ],
            "relevant": {
                id_: int(grade >= 2) for id_, grade in collection.judgements[number].items()
            },
        }
        for number, question in collection.questions.items()
    ]
    path = tmp_path_factory.mktemp("data") / "data.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def kept_scores(data: Path) -> tuple[str, Path]:
    """Return the flag with which commands score the data once."""
    return "--score-cache", data.parent / "scores"


@pytest.fixture(scope="module")
def calibrated(data: Path) -> tuple[Done, Path]:
    output = data.parent / "made" / "c.json"
    output.parent.mkdir()
    wanted = ("--min-precision", "0.3", "1")
    done = bge_rerank("calibrate", data, *MODEL, *kept_scores(data), "--output", output, *wanted)
    return done, output


def test_calibrate_writes_a_calibration_for_the_model_that_scored(
    calibrated: tuple[Done, Path],
) -> None:
    done, output = calibrated
    assert done.returncode == 0
    [warning] = done.stderr.splitlines()
    assert (
        "64 pairs of 285 are longer than --max-length 128, so 866 tokens were not read" in warning
    )
    made = Calibration.load(output)
    assert made.made_for == scored_by(load_scorer("mini", max_length=128))
    assert made.queries == len(demo_collection().questions)
    assert made.probability(10.0) > 0.5 > made.probability(-10.0)


def test_calibrate_prints_errors_tables_and_thresholds(
    calibrated: tuple[Done, Path],
) -> None:
    done, output = calibrated
    assert "expected calibration error: before 0." in done.stdout
    assert "log loss: before " in done.stdout
    made = Calibration.load(output)
    assert f"precision 0.3: logit {made.precision_logit(0.3):.4f}" in done.stdout
    assert "precision 1.0: none (min_precision is 1.0, but 60 queries guarantee 0." in done.stdout
    assert "no threshold holds" not in done.stdout
    assert f"recall 0.9: logit {made.recall_logit(0.9):.4f}" in done.stdout
    found = made.precision_estimate(0.3)
    assert f"precision 0.3: logit {found.logit:.4f}, rerank_score 0." in done.stdout
    assert "rerank_probability" not in done.stdout
    assert f"; {found.precision:.3f} seen, not below {found.bound:.3f} with 95% conf" in done.stdout


def test_calibrate_says_if_no_wanted_precision_has_a_threshold(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "c.json"
    options = (*MODEL, *kept_scores(data), "--output", output)
    done = bge_rerank("calibrate", data, *options, "--min-precision", "1")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("no threshold holds a precision of --min-prec")


def test_a_plot_lies_next_to_the_calibration(
    calibrated: tuple[Done, Path],
) -> None:
    assert calibrated[1].with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_rank_takes_the_calibration_and_refuses_it_for_another_model(
    calibrated: tuple[Done, Path], tmp_path: Path
) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("Bread rises on yeast.\nThe Moon's gravity raises the tides.\n")
    options = ["rank", "what causes tides", texts, "--json", "--calibration", calibrated[1]]
    ranked = bge_rerank(*options, *MODEL)
    made = Calibration.load(calibrated[1])
    for record in map(json.loads, ranked.stdout.splitlines()):
        assert record["rerank_probability"] == made.probability(record["logit"])
    by_estimate = bge_rerank(
        *options, *MODEL, "--min-precision", "0.3", "--precision-by", "estimate"
    )
    logits = [json.loads(line)["logit"] for line in ranked.stdout.splitlines()]
    kept = [json.loads(line)["logit"] for line in by_estimate.stdout.splitlines()]
    assert kept == [logit for logit in logits if logit >= made.precision_estimate(0.3).logit]
    refused = bge_rerank(*options, "--model", "mini", "--max-length", "64")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "made for --max-length 128, and the scorer has --max-length 64" in refused.stderr


def test_calibrate_refuses_an_invalid_line_with_file_and_line_number(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"query": "q", "passage": "p", "label": 3}\n')
    done = bge_rerank("calibrate", path, *MODEL)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"bge-rerank: {path}:1: 'label' is 3; give 1 (relevant) or 0\n"


def test_drift_accepts_the_same_model_and_reports_a_changed_one(data: Path, tmp_path: Path) -> None:
    reference, few = tmp_path / "reference.json", tmp_path / "few.jsonl"
    few.write_text("\n".join(data.read_text().splitlines()[:5]))
    written = bge_rerank("drift", reference, "--write", few, *MODEL)
    assert written.returncode == 0
    assert "of 5 queries, tolerance" in written.stdout
    same = bge_rerank("drift", reference)
    assert same.returncode == 0
    assert "changed first passages: 0.0%" in same.stdout
    assert same.stdout.endswith("no drift: the scores are within the tolerances\n")
    moved = bge_rerank("drift", reference, "--max-length", "16")
    assert moved.returncode == 1
    assert "max_length: 128 in the reference, 16 now" in moved.stdout
    assert "bge-rerank: the scores moved: a logit moved by" in moved.stderr


def test_a_reference_is_written_from_pairs_without_labels(tmp_path: Path) -> None:
    data = tmp_path / "pairs.jsonl"
    lines = [
        {"query": "what causes tides", "passage": "The Moon raises the tides."},
        {"query": "why does bread rise", "candidates": ["Yeast makes gas.", "Bread is sold."]},
    ]
    data.write_text("\n".join(map(json.dumps, lines)))
    written = bge_rerank("drift", tmp_path / "reference.json", "--write", data, *MODEL)
    assert written.returncode == 0
    assert "3 pairs of 2 queries, tolerance" in written.stdout


def test_a_tolerance_without_write_is_refused(tmp_path: Path) -> None:
    done = bge_rerank("drift", tmp_path / "reference.json", "--tolerance", "1")
    assert done.returncode == 1
    assert "give --write with them" in done.stderr


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("none/c.json", "of --output does not exist; make it first"),
        ("c.png", "choose a name that ends in .json"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_anything_is_scored(
    tmp_path: Path, output: str, message: str
) -> None:
    done = bge_rerank("calibrate", "no-data.jsonl", *MODEL, "--output", tmp_path / output)
    assert done.returncode == 1
    assert message in done.stderr
