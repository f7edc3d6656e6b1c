"""`bge-rerank batch` with real models: killed processes, what it prints, and its progress bar."""

import json
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from batches import output_rows, read, rows, write_jsonl, write_parquet
from bge_rerank import Reranker, load_scorer
from bge_rerank.batch import BatchProgress, run_batch
from bge_rerank.cli import main
from bge_rerank.cli.commands.batch import batch_progress
from bge_rerank.scoring import CachedScorer
from conftest import PASSAGES, QUERY
from preloaded import Command

PART_PAIRS = 30


def started(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "bge_rerank.cli", "batch", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def check_scores(output: Path, source: Path, reranker: Reranker, tolerance: float) -> None:
    """Finish a batch, and compare each row with its ranking alone."""
    result = run_batch(reranker, source, output, part_pairs=PART_PAIRS)
    written, given = output_rows(result), read(source)
    assert [row["id"] for row in written] == [row["id"] for row in given]
    for row, before in zip(written, given, strict=True):
        texts = [each["passage"] for each in before["candidates"]]
        alone = {each.index: each.logit for each in reranker.rerank(before["query"], texts)}
        assert {each["index"] for each in row["candidates"]} == set(alone)
        for each in row["candidates"]:
            assert each["logit"] == pytest.approx(alone[each["index"]], abs=tolerance)


def test_a_killed_batch_continues_with_the_scores_of_reranker(
    tmp_path: Path, tiny_reranker: Path, preloaded_python: Path
) -> None:
    source, output = write_parquet(tmp_path / "a.parquet", rows(400)), tmp_path / "out"
    options = ["--model", str(tiny_reranker), "--backend", "torch", "--dtype", "float32"]
    options += ["--part-pairs", str(PART_PAIRS)]
    process = Command(preloaded_python, "batch", str(source), str(output), *options)
    deadline = time.monotonic() + 120
    while len(list(output.glob("part-*.parquet"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.end()
    parts = list(output.glob("part-*.parquet"))
    assert 2 <= len(parts) < 400 * 3 / PART_PAIRS
    before = {part.name: part.read_bytes() for part in parts}
    scorer = load_scorer(str(tiny_reranker), "torch", dtype="float32")
    check_scores(output, source, Reranker(scorer, top_n=None), 1e-4)
    counted = (output / "manifest.jsonl").read_text()
    assert all((output / name).read_bytes() == was for name, was in list(before.items())[:-1])
    assert all(name in counted for name in before)


def test_a_batch_warms_the_cache_of_a_later_reranker(tmp_path: Path, tiny_reranker: Path) -> None:
    given = rows(4)
    source, output = write_jsonl(tmp_path / "log.jsonl", given), tmp_path / "out"
    scores = str(tmp_path / "scores")
    model = ["--model", str(tiny_reranker), "--backend", "torch", "--dtype", "float32"]
    assert main(["batch", str(source), str(output), *model, "--score-cache", scores]) == 0
    online = Reranker(
        load_scorer(str(tiny_reranker), "torch", dtype="float32", score_cache=scores, threads=1),
        top_n=None,
    )
    cache = online.scorer.loaded()
    assert isinstance(cache, CachedScorer)
    kept = [json.loads(line) for line in (output / "part-000000.jsonl").read_text().splitlines()]
    for row, ranked in zip(given, kept, strict=True):
        texts = [each["passage"] for each in row["candidates"]]
        found = [row["candidates"][each.index]["id"] for each in online.rerank(row["query"], texts)]
        assert found == [each["id"] for each in ranked["candidates"]]
    pairs = sum(len({each["passage"] for each in row["candidates"]}) for row in given)
    assert (cache.hits, cache.misses) == (pairs, 0)
    online.rerank(given[0]["query"], ["a new passage", given[0]["candidates"][0]["passage"]])
    assert (cache.hits, cache.misses) == (pairs + 1, 1)


@pytest.mark.long
def test_a_batch_of_mini_killed_ten_times_has_each_row_once(tmp_path: Path) -> None:
    source, output = write_jsonl(tmp_path / "a.jsonl", rows(900)), tmp_path / "out"
    options = ["--model", "mini", "--backend", "torch", "--dtype", "float32"]
    kills = 0
    while kills < 10:
        process = started(str(source), str(output), *options, "--part-pairs", str(PART_PAIRS))
        done = len(list(output.glob("part-*.jsonl")))
        while process.poll() is None and len(list(output.glob("part-*.jsonl"))) == done:
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.3))
        process.kill()
        assert process.wait() == -9, "the batch ended before ten kills; make it longer"
        kills += 1
    scorer = load_scorer("mini", "torch", dtype="float32")
    check_scores(output, source, Reranker(scorer, top_n=None), 1e-4)


def test_it_prints_what_it_wrote_and_warns_of_rows_that_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [{"id": 1, "query": QUERY, "candidates": PASSAGES}, {"id": 2, "query": QUERY}]
    source, output = write_jsonl(tmp_path / "a.jsonl", given), tmp_path / "out"
    arguments = ["batch", str(source), str(output), "--model", "mini", "--top-n", "1"]
    assert main(arguments) == 0
    told = capsys.readouterr()
    assert told.out == f"wrote 1 rows with 4 pairs, in 1 parts: {output}\n"
    assert told.err == (
        f"bge-rerank: warning: 1 rows could not be scored; see '{output / 'errors.jsonl'}'\n"
    )
    [row] = read(output / "part-000000.jsonl")
    assert [each["passage"] for each in row["candidates"]] == [PASSAGES[1]]
    assert main(arguments) == 0
    assert (
        "wrote 1 rows with 4 pairs, 1 of them in earlier runs, in 1 parts"
        in capsys.readouterr().out
    )


def test_options_of_rank_are_those_of_batch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    around = "The committee took note of its agenda. " * 100
    long = f"{around}{PASSAGES[1]} {around}"
    source = write_jsonl(tmp_path / "a.jsonl", [{"id": 1, "query": QUERY, "candidates": [long]}])
    options = ["--model", "mini", "--long-documents", "window", "--threshold", "0.1"]
    assert main(["batch", str(source), str(tmp_path / "out"), *options]) == 0
    [candidate] = read(tmp_path / "out" / "part-000000.jsonl")[0]["candidates"]
    assert PASSAGES[1] in long[slice(*candidate["rerank_span"])]
    assert main(["batch", str(source), str(tmp_path / "out"), *options, "--top-n", "1"]) == 1
    assert "top_n was not set and is 1" in capsys.readouterr().err.replace("--top-n", "top_n")


def test_a_batch_without_a_good_row_ends_with_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = write_jsonl(tmp_path / "a.jsonl", [{"id": 1}]), tmp_path / "out"
    assert main(["batch", str(source), str(output), "--model", "mini"]) == 1
    assert "no row could be scored; the reasons of all 1 are in" in capsys.readouterr().err


def test_the_bar_shows_rows_rate_and_time_left_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    with batch_progress() as tell:
        tell(BatchProgress(share=0.5, rows=10, failures=0, pairs=100))
        tell(BatchProgress(share=0.6, rows=20, failures=1, pairs=200))
        tell(BatchProgress(share=0.7, rows=30, failures=1, pairs=300))
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert re.search(r"70.0 % .*30 rows, 1 failed, [\d,]+ pairs/s 0:00:\d\d", shown)


def test_nothing_is_shown_outside_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with batch_progress() as tell:
        tell(BatchProgress(share=1.0, rows=1, failures=0, pairs=1))
    assert capsys.readouterr().err == ""
