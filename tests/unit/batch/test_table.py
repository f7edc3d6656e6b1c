"""`rerank_table` gives one row for each row, with the scores of `run_batch` or with the reason why not."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from batches import Words, output_rows, read, reranked, rows, write_parquet
from bge_rerank import ConfigurationError, Reranker, ServerError
from bge_rerank.batch import rerank_table, run_batch
from bge_rerank.batch.scoring import CALL_PAIRS
from counted_scorer import Counted, Pairs


def reranked_rows(reranker: Reranker, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rerank_table(reranker, pa.Table.from_pylist(given)).to_pylist()
    return found


@pytest.mark.parametrize("options", [{"top_n": None}, {"top_n": 2}, {"score_threshold": 0.99}])
def test_rows_and_reasons_are_those_of_a_batch(tmp_path: Path, options: dict[str, Any]) -> None:
    given, reranker = rows(200, candidates=4), Reranker(Words(), **options)
    given[3]["candidates"] = []
    given[70]["query"] = " "
    given[199]["candidates"] = None
    batch = run_batch(reranker, write_parquet(tmp_path / "a.parquet", given), tmp_path / "out")
    errors = {row["row"]: row["reason"] for row in read(tmp_path / "out" / "errors.jsonl")}
    assert errors.keys() == {4, 71, 200}
    found = reranked_rows(reranker, given)
    assert [row["id"] for row in found] == [row["id"] for row in given]
    told = {n: row["rerank_error"] for n, row in enumerate(found, 1) if row["rerank_error"]}
    assert told == errors
    assert all(found[number - 1]["candidates"] is None for number in errors)
    good = [row for row in found if row.pop("rerank_error") is None]
    assert good == output_rows(batch)


def test_all_rows_of_a_table_share_a_call_of_bounded_size() -> None:
    scorer = Counted()
    given = [
        {"id": n, "query": f"q{n}", "candidates": ["a", "b", "c", "d"]}
        for n in range(CALL_PAIRS // 4 + 1)
    ]
    reranked_rows(Reranker(scorer), given)
    assert [len(pairs) for pairs in scorer.passes] == [CALL_PAIRS, 4]


def test_ids_may_repeat_and_other_columns_keep_their_types() -> None:
    table = pa.table(
        {
            "id": pa.array([7, 7], pa.int16()),
            "query": ["q", "q"],
            "candidates": [["a"], ["b"]],
            "day": pa.array([1, None], pa.date32()),
        }
    )
    found = rerank_table(Reranker(Words()), table)
    assert found.schema.field("id").type == pa.int16()
    assert found.column("day").equals(table.column("day"))
    assert found.column("rerank_error").null_count == 2
    assert [row["candidates"][0]["id"] for row in found.to_pylist()] == ["0", "0"]


@pytest.mark.parametrize("missing", ["id", "query", "candidates"])
def test_rows_without_a_field_have_an_error_each(missing: str) -> None:
    given = rows(2)
    for row in given:
        del row[missing]
    found = reranked_rows(Reranker(Words()), given)
    assert [row["rerank_error"] for row in found] == [
        f"the field {missing!r} is missing; add it"
    ] * 2
    assert [row["candidates"] for row in found] == [None, None]


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("candidates", ["text", "text"], "'candidates' is 'text'; give a list"),
        ("candidates", [[], []], "'candidates' is []; give one passage or more"),
        ("candidates", [[1], [2]], "'candidates'[0] is 1; give a string, or an object with 'id' and 'passage'"),
        ("query", [1, 2], "'query': the query is a int, not a string: 1; pass a string"),
        ("id", [1.5, 2.5], "'id' is 1.5; give a string"),
    ],
)  # fmt: skip
def test_a_wrong_type_is_the_reason_of_a_row(column: str, values: list[Any], reason: str) -> None:
    given = [row | {column: value} for row, value in zip(rows(2), values, strict=True)]
    assert reranked_rows(Reranker(Words()), given)[0]["rerank_error"] == reason


def test_a_table_may_be_empty_chunked_or_the_output_of_an_earlier_one() -> None:
    reranker = Reranker(Words(), top_n=2)
    whole = pa.Table.from_pylist(rows(9))
    chunked = pa.concat_tables([whole.slice(0, 4), whole.slice(4)])
    once = rerank_table(reranker, chunked)
    assert once.equals(rerank_table(reranker, whole))
    assert rerank_table(reranker, whole.slice(0, 0)).schema == once.schema
    again = rerank_table(Reranker(Words(), top_n=1), once)
    assert again.schema == once.schema
    assert {len(row["candidates"]) for row in again.to_pylist()} == {1}


def test_a_row_whose_score_is_not_a_number_has_an_error_and_the_others_are_scored() -> None:
    class Nan(Words):
        def score(self, pairs: Pairs, /) -> list[float]:
            return [float("nan") if "!!!!" in query else 1.0 for query, _ in pairs]

    found = reranked_rows(Reranker(Nan()), rows(10))
    assert [row["id"] for row in found if row["rerank_error"]] == ["q4", "q9"]


def test_a_fault_of_the_scorer_and_a_latency_budget_are_raised() -> None:
    class Away(Words):
        def score(self, pairs: Pairs, /) -> list[float]:
            raise ServerError("http://away", "refused")

    with pytest.raises(ServerError):
        reranked_rows(Reranker(Away()), rows(2))
    with pytest.raises(ConfigurationError, match="a batch scores all candidates"):
        reranked_rows(Reranker(Words(), latency_budget_ms=10), rows(2))


def test_the_score_alone_decides_as_for_a_single_row() -> None:
    reranker = Reranker(Words(), top_n=None)
    given = rows(5)
    expected = [reranked(reranker, row) | {"rerank_error": None} for row in given]
    assert reranked_rows(reranker, given) == expected
