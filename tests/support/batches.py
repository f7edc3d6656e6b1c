"""Batches: their rows, what they wrote, and runs that are killed before a given operation on a file."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from bge_rerank import Reranker
from bge_rerank.batch import BatchResult, run_batch

FILE_EVENTS = {"open", "os.rename", "os.truncate", "os.remove", "os.mkdir"}
"""The events that Python tells its audit hooks before it opens or changes a file."""


class Words:
    """Scores a pair by its texts alone, with ties."""

    def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
        return [len(query) - 0.5 * len(passage.split()) for query, passage in pairs]


def rows(number: int, candidates: int = 3) -> list[dict[str, Any]]:
    """Return rows whose candidates have one to seven words."""
    return [
        {
            "id": f"q{row}",
            "query": f"question {'!' * (row % 5)}",
            "candidates": [
                {
                    "id": f"p{place}",
                    "passage": "word " * (1 + row * place % 7),
                    "year": 2000 + place,
                }
                for place in range(candidates)
            ],
            "day": f"2026-11-{1 + row % 28:02d}",
        }
        for row in range(number)
    ]


def write_jsonl(path: Path, written: Iterable[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in written))
    return path


def write_parquet(path: Path, written: Sequence[Any], row_group_size: int = 16) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(list(written)), path, row_group_size=row_group_size)
    return path


WRITE: dict[str, Callable[..., Path]] = {"jsonl": write_jsonl, "parquet": write_parquet}


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a part, or of the file of errors."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return pq.read_table(path).to_pylist()
    return [json.loads(line) for line in path.read_text().splitlines()]


def output_rows(result: BatchResult) -> list[dict[str, Any]]:
    return [row for part in result.parts for row in read(part)]


def reranked(reranker: Reranker, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as a batch should write it: ranked by itself."""
    given = row["candidates"]
    ranking = reranker.rerank(row["query"], [candidate["passage"] for candidate in given])
    return row | {
        "candidates": [
            given[each.index]
            | {"rank": rank, "index": each.index, "logit": each.logit, "rerank_score": each.score}
            for rank, each in enumerate(ranking, 1)
        ]
    }


def killed_before(event: int, run: Callable[[], object]) -> bool:
    """Run in a fork that is killed before its given operation on a file, counted from 0.

    Returns:
        Whether the run was killed; otherwise it had fewer operations.
    """
    child = os.fork()
    if child == 0:
        events = count()

        def hook(name: str, _arguments: object) -> None:
            if name in FILE_EVENTS and next(events) == event:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        try:
            run()
        except BaseException:  # noqa: BLE001 - a fork must not go on with the tests of its parent
            os._exit(3)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL)
    return code != 0


def kill_again_and_again(source: str, output: str, events: list[int]) -> None:
    """Run a batch that is killed before each of the events in turn, and print how many runs were."""
    reranker = Reranker(Words(), top_n=2)
    run = lambda: run_batch(reranker, source, output, part_pairs=12)  # noqa: E731
    print(sum([killed_before(event, run) for event in events]))


def given_rows(number: int) -> list[dict[str, Any]]:
    """Return rows, two of which cannot be scored."""
    given = rows(number)
    given[5]["candidates"] = []
    given[number - 1]["query"] = " "
    return given


def by_batch(source: Path, folder: Path, reranker: Reranker) -> dict[str, Any]:
    """Return the rows of a batch and its reasons, by id."""
    result = run_batch(reranker, source, folder)
    errors = {row["id"]: row["reason"] for row in read(folder / "errors.jsonl")}
    return {row["id"]: row["candidates"] for row in output_rows(result)} | errors


def by_id(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the candidates of each row or its error, by id. Each id is there once."""
    told = {row["id"]: row["rerank_error"] or row["candidates"] for row in found}
    assert len(told) == len(found)
    return told


def written(output: Path) -> list[dict[str, Any]]:
    """Return the rows of the Parquet files in a folder."""
    import pyarrow.parquet as pq

    found: list[dict[str, Any]] = pq.read_table(output).to_pylist()
    return found
