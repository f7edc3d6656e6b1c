"""The output folder: whenever a run is killed, each row is written once, and nothing foreign is touched."""

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from batches import (
    WRITE,
    Words,
    output_rows,
    read,
    reranked,
    rows,
    write_jsonl,
    write_parquet,
)
from bge_rerank import ConfigurationError, Reranker, load_scorer
from bge_rerank.batch import run_batch
from bge_rerank.batch.job import Job
from calibrations import calibration

ROOT = Path(__file__).parents[3]


def in_a_process(code: str) -> str:
    """Run code in a process that loads no model; return what it prints."""
    paths = [str(ROOT), str(ROOT / "tests" / "support")]
    code = f"import sys\nsys.path[:0] = {paths}\nfrom batches import *\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=250
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def given_rows() -> list[dict[str, Any]]:
    """Return rows, some of which cannot be scored."""
    given = rows(30, candidates=4)
    given[7]["candidates"] = []
    given[20]["id"] = given[3]["id"]
    given[29]["query"] = ""
    return given


def check_whole(output: Path, source: Path) -> None:
    """Finish a batch, and check that each row was written once, and as by a run without a stop."""
    reranker = Reranker(Words(), top_n=2)
    result = run_batch(reranker, source, output, part_pairs=12)
    expected = [
        reranked(reranker, row) for n, row in enumerate(given_rows()) if n not in (7, 20, 29)
    ]
    assert output_rows(result) == expected
    assert [row["row"] for row in read(output / "errors.jsonl")] == [8, 21, 30]
    there = {path.name for path in output.iterdir()} - {"manifest.jsonl", "errors.jsonl"}
    assert there == {path.name for path in result.parts}


@pytest.mark.light_processes
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_batch_killed_ten_times_at_random_moments_has_each_row_once(
    tmp_path: Path, kind: str
) -> None:
    source = WRITE[kind](tmp_path / f"a.{kind}", given_rows())
    seed = random.randrange(10**6)
    draw = random.Random(seed)
    events = {
        str(tmp_path / f"out{number}"): [draw.randrange(25) for _ in range(10)]
        for number in range(3)
    }
    killed = in_a_process(
        f"for output, events in {events}.items():"
        f" kill_again_and_again({str(source)!r}, output, events)"
    )
    assert all(int(times) >= 4 for times in killed.split()), (seed, events)
    for output in events:
        check_whole(Path(output), source)


@pytest.mark.long
@pytest.mark.light_processes
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_batch_killed_before_any_of_its_operations_has_each_row_once(
    tmp_path: Path, kind: str
) -> None:
    source = WRITE[kind](tmp_path / f"a.{kind}", given_rows())
    for event in range(80):
        output = tmp_path / f"out{event}"
        in_a_process(f"kill_again_and_again({str(source)!r}, {str(output)!r}, [{event}])")
        check_whole(output, source)


FULL = """
import resource
from bge_rerank import ConfigurationError
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
try:
    run_batch(Reranker(Words(), top_n=2), {source!r}, {output!r}, part_pairs=12)
except ConfigurationError as error:
    print(error)
"""


def fill_up(source: Path, output: Path, size: int) -> str:
    return in_a_process(FULL.format(size=size, source=str(source), output=str(output)))


@pytest.mark.light_processes
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize("size", [100, 1_500])
def test_a_disk_without_room_is_named_and_the_batch_goes_on_later(
    tmp_path: Path, kind: str, size: int
) -> None:
    source, output = WRITE[kind](tmp_path / f"a.{kind}", given_rows()), tmp_path / "out"
    said = fill_up(source, output, size)
    assert said.startswith(f"cannot write '{output}")
    assert "(File too large); make room or allow writing, and run the same batch again" in said
    check_whole(output, source)


@pytest.mark.long
@pytest.mark.light_processes
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_disk_may_fill_up_at_any_byte(tmp_path: Path, kind: str) -> None:
    source = WRITE[kind](tmp_path / f"a.{kind}", given_rows())
    for size in range(400, 4_000, 90):
        output = tmp_path / f"out{size}"
        fill_up(source, output, size)
        check_whole(output, source)


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    source, output = write_jsonl(tmp_path / "a.jsonl", given_rows()), tmp_path / "out"
    run_batch(Reranker(Words(), top_n=2), source, output, part_pairs=12)
    manifest = output / "manifest.jsonl"
    lines = manifest.read_bytes().splitlines(keepends=True)
    manifest.write_bytes(b"".join(lines[:4]) + lines[4][:20])
    for name in ("part-000003.jsonl.tmp", "part-000099.jsonl", "manifest.jsonl.tmp"):
        (output / name).write_text("left")
    check_whole(output, source)
    assert manifest.read_bytes() == b"".join(lines)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"top_n": 2}, "top_n was 3 and is 2"),
        ({"score_threshold": 0.5}, "score_threshold was not set and is 0.5"),
        ({"long_documents": "window"}, 'long_documents was "truncate" and is "window"'),
        ({"calibration": calibration()}, "calibration was not set and is "),
    ],
)
def test_changed_options_are_refused_and_nothing_changes(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    source, output = write_jsonl(tmp_path / "a.jsonl", rows(5)), tmp_path / "out"
    run_batch(Reranker(Words()), source, output)
    before = snapshot(output)
    with pytest.raises(ConfigurationError, match=f"holds a batch with other settings.*{message}"):
        run_batch(Reranker(Words(), **changed), source, output)
    assert snapshot(output) == before


def test_another_model_and_other_inputs_are_refused(tmp_path: Path, tiny_reranker: Path) -> None:
    source, output = write_jsonl(tmp_path / "a.jsonl", rows(2)), tmp_path / "out"
    model = load_scorer(str(tiny_reranker), "torch")
    run_batch(Reranker(model), source, output)
    for other, message in (
        (
            load_scorer(str(tiny_reranker), "torch", max_length=64),
            "max_length was not set and is 64",
        ),
        (load_scorer(str(tiny_reranker), "torch", dtype="float32"), '"auto" and is "float32"'),
        (Words(), "scorer.class is new|model.backend was"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            run_batch(Reranker(other), source, output)
    os.utime(source, ns=(1, 1))
    with pytest.raises(ConfigurationError, match=r"inputs.*a.jsonl.mtime_ns was \d+ and is 1"):
        run_batch(Reranker(model), source, output)


def test_a_changed_model_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    from tiny_encoders import make_tiny_reranker

    folder = tmp_path / "model"
    make_tiny_reranker(folder)
    source, output = write_jsonl(tmp_path / "a.jsonl", rows(2)), tmp_path / "out"
    model = load_scorer(str(folder), "torch")
    run_batch(Reranker(model), source, output)
    os.utime(folder / "model.safetensors", ns=(1, 1))
    with pytest.raises(ConfigurationError, match='model.files was "'):
        run_batch(Reranker(model), source, output)


def test_an_output_without_parts_may_be_used_with_other_settings(tmp_path: Path) -> None:
    source, output = write_jsonl(tmp_path / "a.jsonl", rows(2)), tmp_path / "out"
    Job(output, {"other": 1}).close()
    result = run_batch(Reranker(Words()), source, output)
    assert result.rows == 2


@pytest.mark.parametrize("name", ["notes.txt", "part-000000.jsonl", "errors.jsonl", "a.tmp"])
def test_a_folder_with_foreign_files_is_left_alone(tmp_path: Path, name: str) -> None:
    source, output = write_jsonl(tmp_path / "a.jsonl", rows(2)), tmp_path / "out"
    output.mkdir()
    (output / name).write_text("mine")
    with pytest.raises(
        ConfigurationError, match=f"holds '{name}', which this version of batch did"
    ):
        run_batch(Reranker(Words()), source, output)
    assert snapshot(output) == {name: b"mine"}


@pytest.mark.parametrize(
    "contents",
    [b"", b"text\n", b"[]\n", b'{"format": 0, "settings": {}}\n', b"[" * 100_000 + b"\n"],
)
def test_a_manifest_of_another_version_is_left_alone(tmp_path: Path, contents: bytes) -> None:
    source, output = write_jsonl(tmp_path / "a.jsonl", rows(2)), tmp_path / "out"
    output.mkdir()
    (output / "manifest.jsonl").write_bytes(contents)
    with pytest.raises(ConfigurationError, match=r"holds 'manifest.jsonl', which this version"):
        run_batch(Reranker(Words()), source, output)
    assert snapshot(output) == {"manifest.jsonl": contents}


def test_a_line_of_the_manifest_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    source, output = write_jsonl(tmp_path / "a.jsonl", rows(2)), tmp_path / "out"
    run_batch(Reranker(Words()), source, output)
    with (output / "manifest.jsonl").open("a") as file:
        file.write('{"part": 1}\n')
    with pytest.raises(ConfigurationError, match=r"holds 'manifest.jsonl', which this version"):
        run_batch(Reranker(Words()), source, output)


@pytest.mark.parametrize("name", ["part-000000.parquet", "errors.jsonl"])
def test_a_part_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    source, output = write_parquet(tmp_path / "a.parquet", given_rows()), tmp_path / "out"
    run_batch(Reranker(Words()), source, output)
    (output / name).unlink()
    with pytest.raises(ConfigurationError, match=f"{name}' is missing, or smaller than the batch"):
        run_batch(Reranker(Words()), source, output)


def test_a_folder_that_another_run_writes_is_refused(tmp_path: Path) -> None:
    job = Job(tmp_path / "out", {})
    with pytest.raises(ConfigurationError, match="another process writes a batch into"):
        Job(tmp_path / "out", {})
    job.close()
    Job(tmp_path / "out", {}).close()


def test_a_system_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with pytest.raises(ConfigurationError, match="cannot lock its output folder on this system"):
        Job(tmp_path / "out", {})


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", rows(2))
    with pytest.raises(ConfigurationError, match=r"cannot write '.*a.jsonl' \(File exists\)"):
        run_batch(Reranker(Words()), source, source)
