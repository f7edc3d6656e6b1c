"""`bge-rerank` as a shell runs it: the first in a process of its own, more of the same in this one."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from bge_rerank import load_scorer
from bge_rerank.cli import main
from bge_rerank.ranking.fusion import fused_score
from conftest import PASSAGES, QUERY


class Done(NamedTuple):
    returncode: int
    stdout: bytes
    stderr: bytes


def in_a_shell(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "bge_rerank.cli"]
    return subprocess.run([*command, *arguments], input=stdin, capture_output=True, check=False)


@pytest.fixture
def bge_rerank(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Run a command in this process, which has its model loaded after the first."""

    def bge_rerank(*arguments: str, stdin: bytes = b"") -> Done:
        streams = [io.TextIOWrapper(io.BytesIO(given), "utf-8") for given in (stdin, b"", b"")]
        with monkeypatch.context() as patched:
            for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
                patched.setattr(sys, name, stream)
            status = main(arguments)
        for stream in streams[1:]:
            stream.flush()
        return Done(status, *(stream.buffer.getvalue() for stream in streams[1:]))

    return bge_rerank


LINES = "\n".join(PASSAGES).encode() + b"\n"


def test_it_ranks_lines_from_standard_input() -> None:
    done = in_a_shell("rank", QUERY, "--model", "mini", stdin=LINES)
    assert done.returncode == 0
    assert done.stderr == b""
    rows = [line.split("\t") for line in done.stdout.decode().splitlines()]
    assert rows[0][1] == PASSAGES[1]
    assert sorted(text for _, text in rows) == sorted(PASSAGES)
    assert [float(score) for score, _ in rows] == sorted((float(s) for s, _ in rows), reverse=True)


def test_it_writes_json_with_the_full_scores(bge_rerank: Callable[..., Done]) -> None:
    done = bge_rerank("rank", QUERY, "-", "--model", "mini", "--json", "--top-n", "1", stdin=LINES)
    [record] = map(json.loads, done.stdout.splitlines())
    [logit] = load_scorer("mini").score([(QUERY, PASSAGES[1])])
    assert record["text"] == PASSAGES[1]
    assert (record["rank"], record["index"]) == (1, 1)
    # Where the default is bfloat16, a logit moves by some hundredths with the batch.
    assert record["logit"] == pytest.approx(logit, abs=0.06)


def test_it_tells_which_part_of_a_long_text_answers(bge_rerank: Callable[..., Done]) -> None:
    around = "The committee took note of its agenda. " * 100
    line = f"{around}{PASSAGES[1]} {around}"
    options = ["--model", "mini", "--json", "--long-documents", "window"]
    done = bge_rerank("rank", QUERY, "-", *options, stdin=line.encode())
    [record] = map(json.loads, done.stdout.splitlines())
    assert PASSAGES[1] in line[slice(*record["rerank_span"])]


def test_it_fuses_the_order_of_the_lines_with_the_rerankers(
    bge_rerank: Callable[..., Done],
) -> None:
    done = bge_rerank("rank", QUERY, "-", "--model", "mini", "--json", "--rrf-k", "60", stdin=LINES)
    records = list(map(json.loads, done.stdout.splitlines()))
    assert len(records) == len(PASSAGES)
    by_score = sorted(records, key=lambda record: -record["rerank_score"])
    for rank, record in enumerate(by_score, 1):
        assert record["rerank_fused"] == fused_score(record["index"] + 1, rank, 60)
    fused = [record["rerank_fused"] for record in records]
    assert fused == sorted(fused, reverse=True)


def test_it_reads_jsonl_and_keeps_the_objects(
    bge_rerank: Callable[..., Done], tmp_path: Path
) -> None:
    file = tmp_path / "passages.jsonl"
    records = [{"id": index, "body": text} for index, text in enumerate(PASSAGES)]
    file.write_text("\n\n".join(map(json.dumps, records)))
    done = bge_rerank("rank", QUERY, str(file), "--model", "mini", "--field", "body", "--json")
    ranked = list(map(json.loads, done.stdout.splitlines()))
    assert ranked[0]["id"] == 1
    assert [
        {"id": r["id"], "body": r["body"]} for r in sorted(ranked, key=lambda r: r["id"])
    ] == records


def test_it_reads_the_field_passage_and_else_the_field_text(
    bge_rerank: Callable[..., Done],
) -> None:
    records = [{"passage": PASSAGES[0], "text": PASSAGES[1]}, {"text": PASSAGES[2]}]
    stdin = "\n".join(map(json.dumps, records)).encode()
    done = bge_rerank("rank", QUERY, "--jsonl", "--model", "mini", stdin=stdin)
    rows = [line.split("\t") for line in done.stdout.decode().splitlines()]
    assert {text for _, text in rows} == {PASSAGES[0], PASSAGES[2]}


def test_bytes_that_are_no_utf8_come_out_as_they_went_in() -> None:
    done = in_a_shell("rank", QUERY, "--model", "mini", stdin=b"caf\xe9 tides\n")
    assert done.stdout.endswith(b"\tcaf\xe9 tides\n")


def test_empty_input_gives_empty_output(bge_rerank: Callable[..., Done]) -> None:
    done = bge_rerank("rank", QUERY, "--model", "/no/such/folder")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        ([" "], b"a\n", "the query is empty"),
        ([QUERY, "no-such-file"], b"", "cannot read 'no-such-file': No such file"),
        ([QUERY, "--jsonl"], b'{"text": "a"}\n{"tex', "-:2: not valid JSON"),
        ([QUERY, "--jsonl"], b"[1]\n", "-:1: [1] is not a JSON object"),
        (
            [QUERY, "--jsonl"],
            b'{"body": "a"}\n',
            "-:1: the field 'passage' is missing; add it, or choose another --field",
        ),
        (
            [QUERY, "--jsonl", "--field", "body"],
            b'\n{"passage": "a", "body": 3}\n',
            "-:2: 'body' is 3; give a string, or choose another --field",
        ),
        ([QUERY, "--top-n", "0"], b"a\n", "top_n is 0"),
        ([QUERY, "--model", "/no/such"], b"a\n", "there is no folder '/no/such'"),
        ([QUERY, "--model", "BAAI/bge-reranker-v2-m3"], b"a\n", "the hub was not reached"),
    ],
)
def test_a_fault_is_one_line_and_status_1(
    bge_rerank: Callable[..., Done], arguments: list[str], stdin: bytes, message: str
) -> None:
    done = bge_rerank("rank", "--model", "mini", *arguments, stdin=stdin)
    assert done.returncode == 1
    assert done.stdout == b""
    [line] = done.stderr.decode().splitlines()
    assert line.startswith("bge-rerank: ")
    assert message in line


def test_wrong_usage_is_status_2() -> None:
    assert in_a_shell("rank").returncode == 2
    assert in_a_shell("sort").returncode == 2


def test_a_reader_that_stops_early_is_no_error() -> None:
    command = f"{sys.executable} -m bge_rerank.cli rank '{QUERY}' --model mini | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        input=LINES * 100,
        capture_output=True,
        check=False,
    )
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""
