"""Reading labelled queries from files and data frames, and the errors on unusable ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bge_rerank import ConfigurationError, InvalidInputError
from bge_rerank.data.labelled import check_labelled
from bge_rerank.evaluation import LabelledQuery, Passage, read_beir, read_frame, read_jsonl

GOOD = {"query": "what causes tides", "candidates": ["bread", "the Moon"], "relevant": [1]}
WITH_IDS = {
    "query": "q",
    "candidates": [{"id": "a", "passage": "one"}, {"id": 7, "passage": "two"}],
    "relevant": {"7": 2},
}


@pytest.fixture
def jsonl(tmp_path: Path) -> Callable[..., Path]:
    def write(*lines: Any) -> Path:
        path = tmp_path / "data.jsonl"
        path.write_text(
            "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        )
        return path

    return write


def test_candidates_that_are_strings_have_their_positions_as_ids(
    jsonl: Callable[..., Path],
) -> None:
    [labelled] = read_jsonl(jsonl(GOOD))
    assert labelled == LabelledQuery(
        "1", "what causes tides", [("0", "bread"), ("1", "the Moon")], {"1": 1}
    )


def test_jsonl_keeps_ids_and_grades(jsonl: Callable[..., Path]) -> None:
    [_, labelled] = read_jsonl(jsonl(GOOD, "", WITH_IDS | {"id": "mine"}))
    assert labelled == LabelledQuery("mine", "q", [("a", "one"), ("7", "two")], {"7": 2})


def test_the_field_text_is_read_as_the_passage(jsonl: Callable[..., Path]) -> None:
    old = {"id": "a", "text": "one"}
    [labelled] = read_jsonl(jsonl(WITH_IDS | {"candidates": [old, {"id": 7, "text": "two"}]}))
    assert labelled == LabelledQuery("1", "q", [("a", "one"), ("7", "two")], {"7": 2})
    [both] = read_jsonl(jsonl(GOOD | {"candidates": [old | {"passage": "new"}], "relevant": ["a"]}))
    assert both.candidates == [("a", "new")]


def test_jsonl_is_read_one_line_at_a_time(jsonl: Callable[..., Path]) -> None:
    queries = read_jsonl(jsonl(GOOD, "{broken"))
    assert next(queries).id == "1"
    with pytest.raises(InvalidInputError, match=r"data\.jsonl:2: not valid JSON"):
        next(queries)


def test_allow_missed_accepts_labels_of_passages_that_are_not_candidates(
    jsonl: Callable[..., Path],
) -> None:
    path = jsonl(GOOD | {"relevant": ["far away"]})
    [labelled] = read_jsonl(path, allow_missed=True)
    assert labelled.relevant == {"far away": 1}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", r":2: \[1\] is not a JSON object"),
        ({"candidates": [], "relevant": [0]}, ":2: the field 'query' is missing; add it"),
        ({"query": "q", "candidates": []}, ":2: the field 'relevant' is missing; add it"),
        (GOOD | {"query": 3}, ":2: 'query': the query is a int, not a string"),
        (GOOD | {"query": " "}, ":2: 'query': the query is empty"),
        (GOOD | {"id": ""}, ":2: 'id' is ''"),
        (GOOD | {"id": "1"}, ":2: 'id' is '1', as on an earlier line"),
        (GOOD | {"candidates": "text"}, ":2: 'candidates' is 'text'; give a list"),
        (GOOD | {"candidates": ["a", 5]}, r":2: 'candidates'\[1\] is 5; give a string"),
        (GOOD | {"candidates": [{"id": "a"}]}, r":2: 'candidates'\[0\] is {'id': 'a'}"),
        (
            GOOD | {"candidates": [{"id": "a", "passage": None}]},
            r":2: 'candidates'\[0\]\['passage'\] is None; give a string",
        ),
        (
            GOOD | {"candidates": [{"id": "a", "text": None}]},
            r":2: 'candidates'\[0\]\['text'\] is None; give a string",
        ),
        (
            GOOD | {"candidates": [{"id": None, "passage": "a"}]},
            r":2: 'candidates'\[0\]\['id'\] is None; give a string",
        ),
        (
            GOOD | {"candidates": [{"id": "", "passage": "a"}]},
            r":2: 'candidates'\[0\] has the id ''; give a string",
        ),
        (
            GOOD | {"candidates": [{"id": "a", "passage": "a"}, {"id": "a", "passage": "b"}]},
            r":2: 'candidates'\[1\] has the id 'a', as an earlier candidate",
        ),
        (GOOD | {"relevant": [2]}, ":2: 'relevant' names '2', which is not among the 2 candidates"),
        (GOOD | {"relevant": 1}, ":2: 'relevant' is 1; give a list of ids"),
        (GOOD | {"relevant": [True]}, ":2: 'relevant': item 0 is True; give an id"),
        (
            GOOD | {"relevant": {"1": "high"}},
            r":2: 'relevant'\['1'\] is 'high'; give a whole number, 0 for not relevant",
        ),
        (GOOD | {"relevant": {"1": 0.5}}, r":2: 'relevant'\['1'\] is 0.5; give a whole number"),
        (GOOD | {"relevant": {"1": True}}, r":2: 'relevant'\['1'\] is True; give a whole number"),
    ],
)
def test_a_fault_in_jsonl_is_named_with_line_and_field(
    jsonl: Callable[..., Path], line: Any, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        list(read_jsonl(jsonl(GOOD, line)))


@pytest.mark.parametrize("relevant", [[], {"1": 0}])
def test_a_query_without_a_relevant_passage_is_read(
    jsonl: Callable[..., Path], relevant: Any
) -> None:
    [labelled, empty] = read_jsonl(jsonl(GOOD, GOOD | {"relevant": relevant}))
    assert labelled.has_relevant
    assert not empty.has_relevant


def test_a_byte_order_mark_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(f"\ufeff\n \u3000\n{json.dumps(GOOD)}", encoding="utf-8")
    [labelled] = read_jsonl(path)
    assert labelled.id == "3"


def test_a_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(json.dumps(GOOD).encode() + b'\n{"query": "caf\xe9"}\n')
    with pytest.raises(InvalidInputError, match=r"data\.jsonl:2: not UTF-8 .*; save the file as"):
        list(read_jsonl(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"cannot read '.*none\.jsonl'"):
        list(read_jsonl(tmp_path / "none.jsonl"))


FRAME = {"query": ["q", "q", "r"], "passage": ["a", "b", "c"], "grade": [None, 2.0, 1.0]}


def test_the_rows_of_a_query_become_its_candidates() -> None:
    frame = pd.DataFrame(FRAME | {"query_id": ["1", "1", "2"], "id": ["x", "y", "x"]})
    assert list(read_frame(frame)) == [
        LabelledQuery("1", "q", [("x", "a"), ("y", "b")], {"y": 2}),
        LabelledQuery("2", "r", [("x", "c")], {"x": 1}),
    ]


def test_the_column_text_is_read_as_the_passage() -> None:
    old = pd.DataFrame(FRAME).rename(columns={"passage": "text"})
    assert list(read_frame(old)) == list(read_frame(pd.DataFrame(FRAME)))
    old.loc[1, "text"] = None
    with pytest.raises(InvalidInputError, match="row 1: 'text' is .*; give a string"):
        list(read_frame(old))


def test_a_grade_may_be_true_or_false() -> None:
    frame = pd.DataFrame({"query": ["q", "q"], "passage": ["a", "b"], "grade": [False, True]})
    [labelled] = read_frame(frame)
    assert labelled.relevant == {"0": 0, "1": 1}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"grade": [None, 1.5, 1.0]}, "row 1: 'grade' is 1.5; give a whole number"),
        ({"passage": ["a", None, "c"]}, "row 1: 'passage' is .*; give a string"),
        ({"query": ["q", "q", None]}, "row 2: 'query' is missing"),
        ({"id": ["x", "x", "y"]}, r"query 'q': 'candidates'\[1\] has the id 'x'"),
    ],
)
def test_a_fault_in_a_frame_is_named_with_row_and_column(
    columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        list(read_frame(pd.DataFrame(FRAME | columns)))


def test_a_frame_without_a_column_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="no column 'grade'"):
        list(read_frame(pd.DataFrame({"query": ["q"], "passage": ["a"]})))


CORPUS = [
    {"_id": "a", "title": "Tides", "text": "The Moon."},
    {"_id": "b", "title": "", "text": "Bread."},
]
QUERIES = [{"_id": "1", "text": "what causes tides"}, {"_id": "2", "text": "why bread rises"}]
LABELS = ["1\ta\t1", "1\tb\t0", "2\tb\t2"]


def write_beir(
    folder: Path,
    corpus: list[Any] = CORPUS,
    queries: list[Any] = QUERIES,
    labels: list[str] = LABELS,
    header: str = "query-id\tcorpus-id\tscore",
) -> Path:
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)))
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    (folder / "qrels" / "test.tsv").write_text("\n".join([header, *labels]))
    return folder


def test_a_beir_folder_is_read(tmp_path: Path) -> None:
    collection = read_beir(write_beir(tmp_path))
    assert collection.texts == {"a": "Tides The Moon.", "b": "Bread."}
    assert collection.passages == (
        Passage("a", "Tides", "The Moon."),
        Passage("b", "", "Bread."),
    )
    assert list(collection.labelled_queries()) == [
        LabelledQuery("1", "what causes tides", None, {"a": 1, "b": 0}),
        LabelledQuery("2", "why bread rises", None, {"b": 2}),
    ]


def test_grades_below_0_count_as_0(tmp_path: Path) -> None:
    collection = read_beir(write_beir(tmp_path, labels=["1\ta\t1", "1\tb\t-1"]))
    assert collection.judgements == {"1": {"a": 1, "b": 0}}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"corpus": [CORPUS[0], CORPUS[0]]}, r"corpus\.jsonl:2: '_id' is 'a', as on an earlier"),
        ({"corpus": [{"_id": 3, "text": "a"}]}, r"corpus\.jsonl:1: '_id' is 3"),
        ({"corpus": [{"_id": "a", "text": None}]}, r"corpus\.jsonl:1: 'text' is None"),
        ({"queries": [{"_id": "1"}]}, r"queries\.jsonl:1: the field 'text' is missing; add it"),
        ({"corpus": [{"_id": "", "text": "a"}]}, r"corpus\.jsonl:1: '_id' is ''; give a string"),
        (
            {"corpus": [{"_id": "a", "title": 3, "text": "a"}]},
            r"corpus\.jsonl:1: 'title' is 3; give a string",
        ),
        ({"queries": ["1"]}, r'queries\.jsonl:1: "1" is not a JSON object'),
        ({"header": "1\ta\t1"}, r"test\.tsv:1: the header must name query-id, corpus-id, score"),
        ({"labels": ["9\ta\t1"]}, r"test\.tsv:2: 'query-id' '9' is not in queries\.jsonl"),
        ({"labels": [*LABELS, "2\tz\t1"]}, r"test\.tsv:5: 'corpus-id' 'z' is not in corpus\.jsonl"),
        ({"labels": ["1\ta\thigh"]}, r"test\.tsv:2: 'score' is 'high'; give a whole number"),
        ({"labels": ["1\ta"]}, r"test\.tsv:2: 'score' is None; give a whole number"),
        (
            {"labels": ["1\ta\t1", "1\ta\t2"]},
            r"test\.tsv:3: an earlier line has the label of 'a' for '1'",
        ),
    ],
)
def test_a_fault_in_a_beir_folder_is_named_with_line_and_field(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        read_beir(write_beir(tmp_path, **changed))


def test_a_missing_split_is_refused_with_the_names_of_the_others(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="has no split 'dev'; choose one of test"):
        read_beir(write_beir(tmp_path), "dev")


@pytest.mark.parametrize(
    ("labelled", "message"),
    [
        (LabelledQuery(1, "q", None, {"a": 1}), "'id' is 1"),  # type: ignore[arg-type]
        (LabelledQuery("1", "q", ["text"], {"a": 1}), r"'candidates'\[0\] is 'text'"),  # type: ignore[list-item]
        (LabelledQuery("1", "q", None, {3: 1}), "'relevant' has the id 3"),  # type: ignore[dict-item]
        (
            LabelledQuery("1", "q", None, {"a": 0.5}),  # type: ignore[dict-item]
            r"'relevant'\['a'\] is 0.5; give a whole number",
        ),
        (
            LabelledQuery("1", "q", [("a", None)], {"a": 1}),  # type: ignore[list-item]
            r"'candidates'\[0\] has a passage of type NoneType; give a string",
        ),
    ],
)
def test_labelled_queries_made_in_python_are_checked(labelled: LabelledQuery, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        check_labelled(labelled, "queries[0]")
