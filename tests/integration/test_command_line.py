"""`bge-rerank rank`, and what all commands share: some runs as processes, the others in this process."""

import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from bge_rerank import load_scorer
from bge_rerank.cli import COMMANDS, main
from bge_rerank.cli.commands.messages import warnings_on_stderr
from bge_rerank.ranking.fusion import fused_score
from conftest import PASSAGES, QUERY
from preloaded import write_command


class Done(NamedTuple):
    returncode: int
    stdout: bytes
    stderr: bytes


@pytest.fixture
def in_a_shell(preloaded_python: Path, tmp_path: Path) -> Callable[..., Done]:
    """Run a command in a process of its own."""
    command = tmp_path / "bge-rerank"
    write_command(command, preloaded_python)

    def in_a_shell(*arguments: str, stdin: bytes = b"") -> Done:
        done = subprocess.run([command, *arguments], input=stdin, capture_output=True, check=False)
        return Done(done.returncode, done.stdout, done.stderr)

    return in_a_shell


@pytest.fixture
def bge_rerank(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Run a command in this process, which loads the model once."""

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


def test_rank_reads_lines_from_standard_input(in_a_shell: Callable[..., Done]) -> None:
    done = in_a_shell("rank", QUERY, "--model", "mini", stdin=LINES)
    assert done.returncode == 0
    assert done.stderr == b""
    rows = [line.split("\t") for line in done.stdout.decode().splitlines()]
    assert rows[0][1] == PASSAGES[1]
    assert sorted(text for _, text in rows) == sorted(PASSAGES)
    assert [float(score) for score, _ in rows] == sorted((float(s) for s, _ in rows), reverse=True)


def test_rank_writes_json_with_all_scores(bge_rerank: Callable[..., Done]) -> None:
    done = bge_rerank("rank", QUERY, "-", "--model", "mini", "--json", "--top-n", "1", stdin=LINES)
    [record] = map(json.loads, done.stdout.splitlines())
    [logit] = load_scorer("mini").score([(QUERY, PASSAGES[1])])
    assert record["text"] == PASSAGES[1]
    assert (record["rank"], record["index"]) == (1, 1)
    # In bfloat16, the default on some CPUs, a logit moves by some hundredths with its batch.
    assert record["logit"] == pytest.approx(logit, abs=0.06)


def test_rank_writes_the_span_of_the_best_window(bge_rerank: Callable[..., Done]) -> None:
    around = "The committee took note of its agenda. " * 100
    line = f"{around}{PASSAGES[1]} {around}"
    options = ["--model", "mini", "--json", "--long-documents", "window"]
    done = bge_rerank("rank", QUERY, "-", *options, stdin=line.encode())
    [record] = map(json.loads, done.stdout.splitlines())
    assert PASSAGES[1] in line[slice(*record["rerank_span"])]


def test_rank_fuses_the_order_of_the_lines_with_the_rerankers_order(
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


def test_rank_keeps_the_fields_of_jsonl(bge_rerank: Callable[..., Done], tmp_path: Path) -> None:
    file = tmp_path / "passages.jsonl"
    records = [{"id": index, "body": text} for index, text in enumerate(PASSAGES)]
    file.write_text("\n\n".join(map(json.dumps, records)))
    done = bge_rerank("rank", QUERY, str(file), "--model", "mini", "--field", "body", "--json")
    ranked = list(map(json.loads, done.stdout.splitlines()))
    assert ranked[0]["id"] == 1
    assert [
        {"id": r["id"], "body": r["body"]} for r in sorted(ranked, key=lambda r: r["id"])
    ] == records


BLANK = b"\n \t\nBread rises on yeast.\r\n\r\nThe Moon raises the tides.\n\n"


def test_rank_skips_blank_lines_and_numbers_the_lines_of_the_input(
    bge_rerank: Callable[..., Done],
) -> None:
    done = bge_rerank("rank", QUERY, "--model", "mini", "--json", stdin=BLANK)
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["text"], first["index"]) == ("The Moon raises the tides.", 4)
    assert (second["text"], second["index"]) == ("Bread rises on yeast.", 2)


def test_rank_numbers_the_lines_of_jsonl_in_the_same_way(bge_rerank: Callable[..., Done]) -> None:
    stdin = b'\n{"text": "Bread rises on yeast."}\n\n{"text": "The Moon raises the tides."}'
    done = bge_rerank("rank", QUERY, "--jsonl", "--model", "mini", "--json", stdin=stdin)
    assert [json.loads(line)["index"] for line in done.stdout.splitlines()] == [3, 1]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_rank_says_on_stderr_that_a_threshold_keeps_nothing(
    bge_rerank: Callable[..., Done], options: list[str]
) -> None:
    done = bge_rerank("rank", QUERY, "--model", "mini", "--threshold", "1", *options, stdin=LINES)
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr == (
        b"bge-rerank: nothing kept: none of the 4 passages reaches --threshold 1.0\n"
    )


def test_a_warning_of_the_library_is_a_line_on_stderr(in_a_shell: Callable[..., Done]) -> None:
    long = ("tide " * 2_000).encode()
    done = in_a_shell("rank", QUERY, "--model", "mini", "--max-length", "16", stdin=long)
    assert done.returncode == 0
    [line] = done.stderr.decode().splitlines()
    assert line.startswith("bge-rerank: warning: ")
    assert "--max-length" in line or "max_length" not in line


def test_warnings_are_told_only_while_a_command_runs(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("bge_rerank.models")
    with warnings_on_stderr({"top_n": "--top-n"}):
        logger.warning("top_n is\n%d", 3)
        logger.warning("top_n is\n%d", 4)
        logger.info("backend torch")
    logger.warning("later")
    assert capsys.readouterr().err == "bge-rerank: warning: --top-n is 3\n"


def test_a_server_writes_a_warning_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings_on_stderr({}, once=False):
        for number in (1, 2):
            logging.getLogger("bge_rerank.models").warning("request %d", number)
    assert capsys.readouterr().err.splitlines() == [
        "bge-rerank: warning: request 1",
        "bge-rerank: warning: request 2",
    ]


def test_rank_reads_the_field_passage_or_else_the_field_text(
    bge_rerank: Callable[..., Done],
) -> None:
    records = [{"passage": PASSAGES[0], "text": PASSAGES[1]}, {"text": PASSAGES[2]}]
    stdin = "\n".join(map(json.dumps, records)).encode()
    done = bge_rerank("rank", QUERY, "--jsonl", "--model", "mini", stdin=stdin)
    rows = [line.split("\t") for line in done.stdout.decode().splitlines()]
    assert {text for _, text in rows} == {PASSAGES[0], PASSAGES[2]}


def test_bytes_that_are_not_utf8_are_written_unchanged(in_a_shell: Callable[..., Done]) -> None:
    done = in_a_shell("rank", QUERY, "--model", "mini", stdin=b"caf\xe9 tides\n")
    assert done.stdout.endswith(b"\tcaf\xe9 tides\n")


def test_empty_input_gives_empty_output(bge_rerank: Callable[..., Done]) -> None:
    done = bge_rerank("rank", QUERY, "--model", "/no/such/folder")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        ([" "], b"a\n", "the query is empty"),
        ([QUERY, "no-such-file"], b"", "cannot read 'no-such-file' (No such file or directory)"),
        ([QUERY], "tides".encode("utf-16"), "'-' is UTF-16; save the file as UTF-8"),
        (
            [QUERY, "--jsonl"],
            b'\n{"text": "caf\xe9"}',
            "-:2: not UTF-8 (invalid continuation byte)",
        ),
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
        ([QUERY, "--top-n", "0"], b"a\n", "bge-rerank: --top-n is 0; "),
        ([QUERY, "--top-n", "0"], b"a\n", "or leave it out"),
        ([QUERY, "--threshold", "2"], b"a\n", "bge-rerank: --threshold is 2.0; "),
        ([QUERY, "--min-precision", "0.9"], b"a\n", "--calibration"),
        ([QUERY, "--backend", "tei"], b"a\n", "--base-url"),
        ([QUERY, "--model", "/no/such"], b"a\n", "'/no/such'"),
        ([QUERY, "--model", "BAAI/bge-reranker-v2-m3"], b"a\n", "'BAAI/bge-reranker-v2-m3'"),
    ],
)
def test_an_error_is_one_line_and_status_1(
    bge_rerank: Callable[..., Done], arguments: list[str], stdin: bytes, message: str
) -> None:
    done = bge_rerank("rank", "--model", "mini", *arguments, stdin=stdin)
    assert done.returncode == 1
    assert done.stdout == b""
    [line] = done.stderr.decode().splitlines()
    assert line.startswith("bge-rerank: ")
    assert message in line


def test_wrong_usage_is_status_2(in_a_shell: Callable[..., Done]) -> None:
    assert in_a_shell("rank").returncode == 2
    assert in_a_shell("sort").returncode == 2


@pytest.mark.light_processes
@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_help_of_a_command_is_plain(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit, match="^0$"):
        main([command, "--help"])
    told = capsys.readouterr().out
    assert COMMANDS[command] in told
    assert "None" not in told
    assert not {"top_n", "score_threshold", "min_precision"} & set(re.findall(r"\w+", told))
    # The help of a long flag stands on the next line.
    lines = pairwise([*told.splitlines(), ""])
    flags = [(line, below) for line, below in lines if line.startswith("  -")]
    assert flags
    assert all("  " in line.strip() or below.startswith(" " * 8) for line, below in flags)


def test_a_reader_that_stops_early_does_not_cause_an_error(tiny_reranker: Path) -> None:
    model = f"--model {tiny_reranker} --backend torch"
    command = f"{sys.executable} -m bge_rerank.cli rank '{QUERY}' {model} | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        input=LINES * 100,
        capture_output=True,
        check=False,
    )
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""
