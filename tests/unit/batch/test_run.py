"""`run_batch` writes each row once, as `Reranker` ranks it by itself, in both formats."""

import json
import math
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batches import WRITE, Words, output_rows, read, reranked, rows, write_jsonl, write_parquet
from bge_rerank import (
    ConfigurationError,
    InvalidInputError,
    OutOfMemoryError,
    Reranker,
    ServerError,
)
from bge_rerank.batch import BatchProgress, run_batch
from bge_rerank.batch.jsonl_rows import JsonlRows, JsonlWriter
from bge_rerank.batch.rows import Row
from bge_rerank.ranking.result import Ranking
from calibrations import calibration
from counted_scorer import Counted, Pairs

ROOT = Path(__file__).parents[3]
FORMATS = pytest.mark.parametrize("kind", ["jsonl", "parquet"])


def errors_of(output: Path) -> list[tuple[int, str | None, str]]:
    return [(row["row"], row["id"], row["reason"]) for row in read(output / "errors.jsonl")]


@FORMATS
@pytest.mark.parametrize(
    "options",
    [{"top_n": None}, {"top_n": 2}, {"top_n": None, "score_threshold": 0.99}],
    ids=["all", "top_n", "threshold"],
)
def test_each_row_is_ranked_as_reranker_ranks_it_alone(
    tmp_path: Path, kind: str, options: dict[str, Any]
) -> None:
    given, reranker = rows(40, candidates=5), Reranker(Words(), **options)
    source = WRITE[kind](tmp_path / f"rows.{kind}", given)
    result = run_batch(reranker, source, tmp_path / "out", part_pairs=50)
    assert output_rows(result) == [reranked(reranker, row) for row in given]
    assert (result.rows, result.failures, result.pairs, len(result.parts)) == (40, 0, 200, 4)
    assert read(tmp_path / "out" / "errors.jsonl") == []


@FORMATS
def test_windows_probabilities_and_fused_scores_are_those_of_reranker(
    tmp_path: Path, kind: str
) -> None:
    words = " ".join(f"word{number}" for number in range(300))
    given = [{"id": 1, "query": "q", "candidates": [words, "short"]}]
    options = {"long_documents": "window", "window_tokens": 64, "rrf_k": 60}
    told = calibration()
    reranker = Reranker(_Known(told.made_for), calibration=told, **options)
    result = run_batch(reranker, WRITE[kind](tmp_path / f"a.{kind}", given), tmp_path / "out")
    [row] = output_rows(result)
    for each, candidate in zip(
        reranker.rerank("q", [words, "short"]), row["candidates"], strict=True
    ):
        assert candidate["rerank_probability"] == each.probability
        assert candidate["rerank_fused"] == each.fused
        assert tuple(candidate["rerank_span"]) == each.span


class _Known(Counted):
    """A scorer with the attributes that a calibration was made for."""

    def __init__(self, made_for: Any) -> None:
        super().__init__()
        self.model_name, self.revision = made_for.model_name, made_for.revision
        self.precision, self.max_length = made_for.precision, made_for.max_length


@FORMATS
def test_strings_become_records_with_their_positions_as_ids(tmp_path: Path, kind: str) -> None:
    given = [{"id": "a", "query": "q", "candidates": ["three words here", "two words"]}]
    result = run_batch(
        Reranker(Words()), WRITE[kind](tmp_path / f"a.{kind}", given), tmp_path / "out"
    )
    [row] = output_rows(result)
    assert [(each["id"], each["passage"], each["rank"]) for each in row["candidates"]] == [
        ("1", "two words", 1),
        ("0", "three words here", 2),
    ]


@FORMATS
def test_the_output_of_a_batch_can_be_its_input(tmp_path: Path, kind: str) -> None:
    source = WRITE[kind](tmp_path / f"a.{kind}", rows(5))
    first = run_batch(Reranker(Words(), rrf_k=60), source, tmp_path / "one")
    second = run_batch(Reranker(Words()), first.parts, tmp_path / "two")
    candidates = [each for row in output_rows(second) for each in row["candidates"]]
    assert all("rerank_fused" not in each for each in candidates)
    assert [each["rank"] for each in candidates[:3]] == [1, 2, 3]


def test_parquet_keeps_the_types_of_all_other_columns(tmp_path: Path) -> None:
    candidate = pa.struct({"id": pa.int16(), "text": pa.large_string(), "day": pa.date32()})
    schema = pa.schema(
        {
            "id": pa.uint8(),
            "query": pa.dictionary(pa.int32(), pa.string()),
            "price": pa.decimal128(9, 2),
            "at": pa.timestamp("us", tz="UTC"),
            "vector": pa.list_(pa.float32(), 2),
            "candidates": pa.large_list(candidate),
            "nothing": pa.null(),
        },
        metadata={"made by": "a test"},
    )
    row = {
        "query": "q",
        "price": Decimal("1.25"),
        "at": 0,
        "vector": [0.5, 1.5],
        "candidates": [{"id": 7, "text": "a b", "day": date(2026, 1, 2)}, {"id": 8, "text": "a"}],
    }
    table = pa.Table.from_pylist([{"id": n, **row} for n in range(150)], schema)
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=40)
    result = run_batch(Reranker(Words()), tmp_path / "a.parquet", tmp_path / "out")
    written = pq.read_table(result.parts[0])
    others = [name for name in schema.names if name != "candidates"]
    assert written.select(others).equals(table.select(others))
    assert written.schema.names == schema.names
    assert written.schema.metadata[b"made by"] == b"a test"
    record = written.schema.field("candidates").type.value_type
    assert [record.field(place) for place in range(3)] == list(candidate)
    assert written["candidates"][149].as_py()[1]["day"] == date(2026, 1, 2)


def test_fields_that_only_some_rows_of_jsonl_have_stay(tmp_path: Path) -> None:
    given = [
        {"id": 1, "query": "q", "candidates": ["a"], "nested": {"x": [1, None]}},
        {"id": 2, "query": "q", "candidates": [{"id": "b", "text": "b", "tags": ["t"]}]},
    ]
    result = run_batch(
        Reranker(Words()), write_jsonl(tmp_path / "a.jsonl", given), tmp_path / "out"
    )
    one, two = output_rows(result)
    assert one["nested"] == {"x": [1, None]}
    assert two["candidates"][0].items() >= {"text": "b", "tags": ["t"]}.items()


def test_many_rows_share_a_call_of_bounded_size(tmp_path: Path) -> None:
    scorer = Counted()
    source = write_jsonl(tmp_path / "a.jsonl", _distinct(3_000))
    run_batch(Reranker(scorer), source, tmp_path / "out")
    assert [len(pairs) for pairs in scorer.passes] == [2_048, 2_048, 1_904]


def _distinct(count: int) -> list[dict[str, Any]]:
    return [{"id": n, "query": f"q{n}", "candidates": ["a", "bb"]} for n in range(count)]


BAD = [
    ({"id": 1, "query": "q", "candidates": []}, "'candidates' is []; give one passage or more"),
    ({"id": 2, "candidates": ["a"]}, "the field 'query' is missing; add it"),
    ({"id": 3, "query": " ", "candidates": ["a"]}, "'query': the query is empty: ' '; give"),
    ({"id": 4, "query": "q"}, "the field 'candidates' is missing; add it"),
    ({"id": 5, "query": "q", "candidates": "a"}, "'candidates' is 'a'; give a list"),
    ({"id": 6, "query": "q", "candidates": [3]}, "'candidates'[0] is 3; give a string, or"),
    ({"id": 7, "query": "q", "candidates": [{"id": 1}]}, "'candidates'[0] is {'id': 1}; give a"),
    ({"id": None, "query": "q", "candidates": ["a"]}, "'id' is None; give a string"),
    ({"id": "", "query": "q", "candidates": ["a"]}, "'id' is ''; give a string"),
    ({"query": "q", "candidates": ["a"]}, "the field 'id' is missing; add it"),
    ([], "[] is not a JSON object; write one per line"),
]


def test_a_row_that_cannot_be_scored_goes_to_the_errors_and_the_run_goes_on(tmp_path: Path) -> None:
    good = {"id": "good", "query": "q", "candidates": ["a"]}
    source = write_jsonl(tmp_path / "a.jsonl", [*(row for row, _ in BAD), good])
    result = run_batch(Reranker(Words()), source, tmp_path / "out")
    assert [row["id"] for row in output_rows(result)] == ["good"]
    found = errors_of(tmp_path / "out")
    assert [row for row, _, _ in found] == list(range(1, len(BAD) + 1))
    assert [id_ for _, id_, _ in found] == [*"1234567", None, None, None, None]
    for (_, expected), (_, _, reason) in zip(BAD, found, strict=True):
        assert reason.startswith(expected)
    assert {row["file"] for row in read(tmp_path / "out" / "errors.jsonl")} == {str(source)}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"id": 1, "que', "not valid JSON at column "),
        (b'{"id": 1' + b"0" * 5_000 + b"}", "not valid JSON (Exceeds the limit "),
        (b"\xff\n", "not UTF-8 (invalid start byte); save the file as UTF-8"),
        (b"[" * 100_000, "not valid JSON ("),
    ],
    ids=["truncated", "number", "bytes", "nested"],
)
def test_a_line_that_is_not_json_is_named_by_its_number(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    good = b'{"id": "b", "query": "q", "candidates": ["a"]}\n'
    (tmp_path / "a.jsonl").write_bytes(b"\n" + good + line)
    result = run_batch(Reranker(Words()), tmp_path / "a.jsonl", tmp_path / "out")
    [(row, id_, told)] = errors_of(tmp_path / "out")
    assert (result.rows, row, id_) == (1, 3, None)
    assert told.startswith(reason)


def test_a_row_nested_too_deep_to_write_is_left_out_and_named() -> None:
    nested: list[Any] = []
    for _ in range(10 * sys.getrecursionlimit()):
        nested = [nested]
    ranked = [
        (
            Row(n, str(n), "q", ["a"], {"id": n, "candidates": ["a"], "x": x}),
            Ranking([], "q", ["a"]),
        )
        for n, x in enumerate([None, nested, None], 1)
    ]
    file = BytesIO()
    [failure] = JsonlWriter(file).write(ranked)
    assert (failure.number, failure.id) == (2, "2")
    assert failure.reason.startswith("the row is nested too deep to write as JSON; remove some")
    assert [json.loads(line)["id"] for line in file.getvalue().splitlines()] == [1, 3]


def test_parquet_rows_that_cannot_be_scored_are_named_by_their_position(tmp_path: Path) -> None:
    texts = pa.array([b"a", b"\xff", b"b"], pa.binary()).view(pa.string())
    lists = pa.array([["a"], ["a"], None], pa.list_(pa.string()))
    table = pa.table({"id": [1, 2, 3], "query": texts, "candidates": lists})
    pq.write_table(table, tmp_path / "a.parquet")
    result = run_batch(Reranker(Words()), tmp_path / "a.parquet", tmp_path / "out")
    assert [row["id"] for row in output_rows(result)] == [1]
    assert errors_of(tmp_path / "out") == [
        (2, "2", "not UTF-8 (invalid start byte); write the strings as UTF-8"),
        (3, "3", "'candidates' is None; give a list"),
    ]


def test_after_an_interruption_the_same_ids_count_as_seen(tmp_path: Path) -> None:
    ids = pa.array([b"a", b"b", b"\xff", b"a", b"b"], pa.binary()).view(pa.string())
    texts = pa.array([b"q", b"\xff", b"q", b"q", b"q"], pa.binary()).view(pa.string())
    table = pa.table({"id": ids, "query": texts, "candidates": [["a"]] * 5})
    pq.write_table(table, tmp_path / "a.parquet")

    def interrupt(progress: BatchProgress) -> None:
        if progress.failures == 2:
            raise KeyboardInterrupt

    whole = run_batch(Reranker(Words()), tmp_path / "a.parquet", tmp_path / "whole", part_pairs=1)
    with pytest.raises(KeyboardInterrupt):
        run_batch(
            Reranker(Words()),
            tmp_path / "a.parquet",
            tmp_path / "out",
            part_pairs=1,
            progress=interrupt,
        )
    again = run_batch(Reranker(Words()), tmp_path / "a.parquet", tmp_path / "out", part_pairs=1)
    assert (again.rows, again.failures) == (whole.rows, whole.failures) == (1, 4)
    assert errors_of(tmp_path / "out") == errors_of(tmp_path / "whole")


def test_a_jsonl_file_that_goes_away_is_named(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", rows(2))
    rows_of_file = JsonlRows(source)
    source.unlink()
    with pytest.raises(InvalidInputError, match=r"cannot read '.*a.jsonl' \(No such file"):
        list(rows_of_file.read(0))


def test_an_id_counts_once_within_a_file_and_across_files(tmp_path: Path) -> None:
    def row(id_: object) -> dict[str, Any]:
        return {"id": id_, "query": "q", "candidates": ["a"]}

    one = write_jsonl(tmp_path / "one.jsonl", [row("a"), row("a"), row(7)])
    two = write_parquet(tmp_path / "two.parquet", [row("7"), row("b")])
    result = run_batch(Reranker(Words()), [one, two], tmp_path / "out")
    assert [row["id"] for row in output_rows(result)] == ["a", 7, "b"]
    assert [
        (each["file"], each["row"], each["reason"])
        for each in read(tmp_path / "out" / "errors.jsonl")
    ] == [
        (str(one), 2, "'id' is 'a', as on an earlier row; ids must differ"),
        (str(two), 1, "'id' is '7', as on an earlier row; ids must differ"),
    ]


class _Failing(Counted):
    """Fails on some passages."""

    def __init__(self, fail: Callable[[Pairs], None]) -> None:
        super().__init__()
        self.fail = fail

    def begin(self) -> None:
        self.fail(self.passes[-1])


@FORMATS
def test_a_row_whose_score_is_not_a_number_does_not_stop_the_others(
    tmp_path: Path, kind: str
) -> None:
    scorer = Counted(lambda passage: math.nan if passage == "nan" else 1.0)
    given = [
        {"id": str(n), "query": f"q{n}", "candidates": ["nan" if n == 6 else "a"]}
        for n in range(16)
    ]
    source = WRITE[kind](tmp_path / f"a.{kind}", given)
    result = run_batch(Reranker(scorer), source, tmp_path / "out")
    assert [row["id"] for row in output_rows(result)] == [str(n) for n in range(16) if n != 6]
    [(row, id_, reason)] = errors_of(tmp_path / "out")
    assert (row, id_) == (7, "6")
    assert reason.startswith("the scorer returned nan")
    assert len(scorer.passes) == 1 + 2 * 4  # the row is found by halves


def test_a_row_that_does_not_fit_into_memory_does_not_stop_the_others(tmp_path: Path) -> None:
    def fail(pairs: Pairs) -> None:
        if any(passage == "long" for _, passage in pairs):
            raise OutOfMemoryError("a pair does not fit")

    given = [{"id": n, "query": "q", "candidates": ["long" if n == 2 else "a"]} for n in range(4)]
    source = write_jsonl(tmp_path / "a.jsonl", given)
    run_batch(Reranker(_Failing(fail)), source, tmp_path / "out")
    assert errors_of(tmp_path / "out") == [(3, "2", "a pair does not fit")]


def test_a_server_that_is_away_stops_the_run_and_the_next_run_continues(tmp_path: Path) -> None:
    calls: list[int] = []

    def fail(pairs: Pairs) -> None:
        calls.append(len(pairs))
        if len(calls) == 3:
            raise ServerError("http://host", "no answer")

    reranker = Reranker(_Failing(fail))
    source = write_jsonl(tmp_path / "a.jsonl", _distinct(10))
    with pytest.raises(ServerError):
        run_batch(reranker, source, tmp_path / "out", part_pairs=4)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("manifest.jsonl", "errors.jsonl", "part-000000.jsonl", "part-000001.jsonl")
    }
    result = run_batch(reranker, source, tmp_path / "out", part_pairs=4)
    assert [row["id"] for row in output_rows(result)] == list(range(10))
    assert result.continued == 4
    assert sum(calls) == 20 + 4


def test_a_finished_batch_is_not_scored_again(tmp_path: Path) -> None:
    scorer = Counted()
    source = write_jsonl(tmp_path / "a.jsonl", [*rows(5), rows(1)[0]])
    first = run_batch(Reranker(scorer), source, tmp_path / "out")
    calls = len(scorer.passes)
    again = run_batch(Reranker(scorer), source, tmp_path / "out")
    assert (again.rows, again.failures, again.parts) == (first.rows, first.failures, first.parts)
    assert again.continued == again.rows
    assert len(scorer.passes) == calls


def test_a_pattern_names_several_files_each_with_its_own_parts(tmp_path: Path) -> None:
    for name in ("b", "a"):
        given = [{"id": f"{name}{n}", "query": "q", "candidates": ["a"]} for n in range(3)]
        write_jsonl(tmp_path / f"{name}.jsonl", given)
    inputs = [str(tmp_path / "*.jsonl"), tmp_path / "a.jsonl"]
    result = run_batch(Reranker(Words()), inputs, tmp_path / "out")
    assert [[row["id"] for row in read(part)] for part in result.parts] == [
        ["a0", "a1", "a2"],
        ["b0", "b1", "b2"],
    ]


def test_a_part_without_a_row_is_not_written(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", [{"id": 1}])
    result = run_batch(Reranker(Words()), source, tmp_path / "out")
    assert (result.rows, result.failures, result.parts) == (0, 1, ())


def test_progress_counts_earlier_runs_and_ends_with_the_whole_input(tmp_path: Path) -> None:
    files = [
        write_jsonl(tmp_path / f"{n}.jsonl", [{**row, "id": f"{n}{row['id']}"} for row in rows(8)])
        for n in "ab"
    ]
    told: list[BatchProgress] = []

    def interrupt(progress: BatchProgress) -> None:
        told.append(progress)
        if progress.rows == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(Reranker(Words()), files, tmp_path / "out", part_pairs=6, progress=interrupt)
    assert [each.share for each in told] == sorted(each.share for each in told)
    told.clear()
    run_batch(Reranker(Words()), files, tmp_path / "out", part_pairs=6, progress=told.append)
    assert (told[0].rows, told[0].pairs) == (10, 30)
    assert told[-1] == BatchProgress(share=1.0, rows=16, failures=0, pairs=48)


@FORMATS
def test_only_the_rows_of_a_call_are_held(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bge_rerank.batch import parquet_rows, run

    read_rows = scored_rows = held = 0
    checked = run.checked

    def counted(*arguments: Any) -> Any:
        nonlocal read_rows
        read_rows += 1
        return checked(*arguments)

    class Held(Words):
        def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
            nonlocal held, scored_rows
            held = max(held, read_rows - scored_rows)
            scored_rows += len({query for query, _ in pairs})
            return super().score(pairs)

    monkeypatch.setattr(run, "checked", counted)
    given = [{"id": n, "query": f"q{n}", "candidates": ["a", "bb"]} for n in range(400)]
    source = WRITE[kind](tmp_path / f"a.{kind}", given)
    run_batch(Reranker(Held()), source, tmp_path / "out", part_pairs=100)
    assert scored_rows == 400
    assert held <= 50 + 1  # the rows of 100 pairs, and the first that did not fit
    assert parquet_rows.ROWS_A_BATCH <= 64


@FORMATS
def test_memory_does_not_grow_with_the_file(tmp_path: Path, kind: str) -> None:
    given = [{"id": n, "query": "q", "candidates": ["a" * 4_000] * 4} for n in range(500)]
    source = WRITE[kind](
        tmp_path / f"a.{kind}", given, **({} if kind == "jsonl" else {"row_group_size": 25})
    )
    most = 0

    class Measured(Words):
        def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
            nonlocal most
            most = max(most, pa.total_allocated_bytes() + tracemalloc.get_traced_memory()[0])
            return super().score(pairs)

    before = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        run_batch(Reranker(Measured()), source, tmp_path / "out", part_pairs=25)
    finally:
        tracemalloc.stop()
    assert most - before < 4_000_000  # all the texts take twice as much


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"part_pairs": 0}, "part_pairs is 0; pass a whole number of 1 or more"),
        ({"inputs": []}, "the batch has no input"),
        ({"inputs": "no*.jsonl"}, "no file matches 'no\\*.jsonl'; check the path"),
        ({"inputs": "."}, "is not a file named .jsonl, .ndjson, .parquet, .pq; for the files of a"),
        ({"inputs": __file__}, "is not a file named"),
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_is_written(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    given = {"inputs": write_jsonl(tmp_path / "a.jsonl", rows(1))} | options
    with pytest.raises((ConfigurationError, InvalidInputError), match=message):
        run_batch(Reranker(Words()), output=tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


def test_a_latency_budget_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="latency_budget_ms is 50, but a batch scores all"):
        run_batch(Reranker(Words(), latency_budget_ms=50), "a.jsonl", tmp_path / "out")


def test_a_truncated_parquet_file_is_named_before_anything_is_written(tmp_path: Path) -> None:
    good = write_parquet(tmp_path / "good.parquet", rows(50))
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(good.read_bytes()[:-20])
    with pytest.raises(
        InvalidInputError, match=r"cannot read '.*bad.parquet' after row 0 \(.*damaged"
    ):
        run_batch(Reranker(Words()), [good, bad], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_parquet_file_damaged_inside_is_named_with_the_row_and_parts_are_kept(
    tmp_path: Path,
) -> None:
    source = write_parquet(tmp_path / "a.parquet", rows(64))
    contents = bytearray(source.read_bytes())
    with pq.ParquetFile(source) as file:
        column = file.metadata.row_group(2).column(1)
        start = column.dictionary_page_offset or column.data_page_offset
    contents[start : start + 40] = bytes(40)
    source.write_bytes(contents)
    with pytest.raises(InvalidInputError, match=r"cannot read '.*a.parquet' after row 32 \("):
        run_batch(Reranker(Words()), source, tmp_path / "out", part_pairs=30)
    parts = sorted((tmp_path / "out").glob("part-*"))
    assert [row["id"] for part in parts for row in read(part)] == [f"q{n}" for n in range(30)]


@pytest.mark.parametrize("names", [["id", "query"], ["id", "query", "query", "candidates"]])
def test_a_parquet_file_without_the_columns_is_named(tmp_path: Path, names: list[str]) -> None:
    pq.write_table(pa.table([pa.array(["a"])] * len(names), names), tmp_path / "a.parquet")
    with pytest.raises(InvalidInputError, match=r"a.parquet' has \d columns '(candidates|query)'"):
        run_batch(Reranker(Words()), tmp_path / "a.parquet", tmp_path / "out")


@pytest.mark.light_processes
def test_jsonl_needs_no_pyarrow_and_parquet_says_what_to_install(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", rows(2))
    write_parquet(tmp_path / "a.parquet", rows(2))
    code = (
        "sys.modules['pyarrow'] = None\n"
        f"folder = {str(tmp_path)!r}\n"
        "for kind in ('jsonl', 'parquet'):\n"
        "    print(run_batch(Reranker(Words()), f'{folder}/a.{kind}', f'{folder}/{kind}').rows)\n"
    )
    paths = [str(ROOT), str(ROOT / "tests" / "support")]
    code = f"import sys\nsys.path[:0] = {paths}\nfrom batches import *\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "2\n"
    assert "reading Parquet needs pyarrow" in done.stderr
    assert "pip install 'bge-rerank[batch]'" in done.stderr
