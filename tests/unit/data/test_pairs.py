"""Reading labelled pairs from two forms of JSONL; a fault is named by line and field."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bge_rerank import InvalidInputError
from bge_rerank.data.jsonl import parse_labelled
from bge_rerank.data.pairs import LabelledPair, parse_pairs, read_labelled_pairs, read_pairs


@given(st.text().filter(str.strip), st.text(), st.booleans())
def test_a_pair_is_read_unchanged(query: str, passage: str, relevant: bool) -> None:
    fields = {"query": query, "passage": passage, "label": int(relevant)}
    assert list(parse_pairs(fields, "x:1")) == [LabelledPair(query, passage, relevant)]


@pytest.mark.parametrize(
    ("candidates", "relevant"),
    [
        (["one", "two"], [1]),
        (["one", "two"], {"1": 1}),
        ([{"id": "p1", "passage": "one"}, {"id": "p2", "passage": "two"}], ["p2", "missed"]),
        ([{"id": 1, "text": "one"}, {"id": 2, "text": "two"}], {"1": 0, "2": 2, "9": 1}),
    ],
)
def test_a_line_with_candidates_gives_a_pair_for_each(candidates: Any, relevant: Any) -> None:
    fields = {"query": "q", "candidates": candidates, "relevant": relevant}
    assert list(parse_pairs(fields, "x:1")) == [
        LabelledPair("q", "one", relevant=False),
        LabelledPair("q", "two", relevant=True),
    ]


def test_the_field_text_is_read_as_the_passage() -> None:
    fields = {"query": "q", "text": "one", "label": 1}
    assert list(parse_pairs(fields, "x:1")) == [LabelledPair("q", "one", relevant=True)]
    asked = {"query": "q", "text": "of the query", "candidates": ["one"], "relevant": [0]}
    assert list(parse_pairs(asked, "x:1")) == [LabelledPair("q", "one", relevant=True)]


def test_a_file_may_hold_both_forms_and_blank_lines(tmp_path: Path) -> None:
    lines = [
        {"query": "q", "passage": "one\u2028line", "label": 1},
        {"query": "r", "candidates": ["two"], "relevant": []},
    ]
    path = tmp_path / "data.jsonl"
    path.write_text("\ufeff" + "\n\n".join(json.dumps(x, ensure_ascii=False) for x in lines))
    pairs = read_labelled_pairs(path)
    assert [pair.pair for pair in pairs] == [("q", "one\u2028line"), ("r", "two")]
    assert [pair.relevant for pair in pairs] == [True, False]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", r"'?\[\]'? is not a JSON object"),
        ({"passage": "p", "label": 1}, "the field 'query' is missing; add it"),
        ({"query": " ", "passage": "p", "label": 1}, "'query': the query is empty"),
        ({"query": "q", "passage": None, "label": 1}, "'passage' is None; give a string"),
        ({"query": "q", "passage": "p"}, "the field 'label' is missing; add it"),
        ({"query": "q", "passage": "p", "label": None}, "'label' is None; give 1"),
        ({"query": None, "passage": "p", "label": 1}, "'query': the query is a NoneType"),
        ({"query": "q", "text": 3, "label": 1}, "'text' is 3; give a string"),
        ({"query": "q", "passage": "p", "label": 2}, "'label' is 2; give 1"),
        ({"query": "q", "passage": "p", "label": True}, "'label' is True; give 1"),
        ({"query": "q", "passage": "p", "label": [1]}, r"'label' is \[1\]; give 1"),
        ({"query": "q"}, "has neither 'passage' nor 'candidates'; give"),
        ({"query": "q", "candidates": "p", "relevant": []}, "'candidates' is 'p'; give a list"),
        ({"query": "q", "candidates": [1], "relevant": []}, r"'candidates'\[0\] is 1"),
        ({"query": "q", "candidates": [{"id": 1}], "relevant": []}, r"'candidates'\[0\] is \{"),
        ({"query": "q", "candidates": None, "relevant": []}, "has neither 'passage' nor"),
        (
            {"query": "q", "candidates": [{"id": "a", "passage": p} for p in "xy"], "relevant": []},
            r"'candidates'\[1\] has the id 'a', as an earlier candidate",
        ),
        ({"query": "q", "candidates": ["p"], "relevant": [0], "id": ""}, "'id' is ''"),
        (
            {"query": "q", "candidates": [{"id": "a", "text": 1}], "relevant": []},
            r"'candidates'\[0\]\['text'\] is 1; give a string",
        ),
        (
            {"query": "q", "candidates": ["p"], "relevant": ["p"]},
            "'relevant' has 'p', but the pass",
        ),
        (
            {"query": "q", "candidates": ["p"], "relevant": [1]},
            "'relevant' has '1', but .* from 0 to 0",
        ),
        ({"query": "q", "candidates": ["p"]}, "the field 'relevant' is missing"),
        (
            {"query": "q", "candidates": ["p"], "relevant": [0.5]},
            r"'relevant': item 0 is 0.5; give an id",
        ),
        (
            {"query": "q", "candidates": ["p"], "relevant": {"p": "1"}},
            r"'relevant'\['p'\] is '1'; give a whole number",
        ),
    ],
)
def test_a_wrong_line_is_named_with_its_field(tmp_path: Path, line: Any, message: str) -> None:
    right = json.dumps({"query": "q", "passage": "p", "label": 0})
    wrong = line if isinstance(line, str) else json.dumps(line)
    path = tmp_path / "data.jsonl"
    path.write_text(f"{right}\n\n{wrong}\n")
    with pytest.raises(InvalidInputError, match=rf"data\.jsonl:3: {message}"):
        read_labelled_pairs(path)


texts = st.lists(st.text(), max_size=6)


@given(st.text().filter(str.strip), texts, st.sets(st.integers(0, 5)))
def test_calibrating_and_evaluating_read_a_line_in_the_same_way(
    query: str, candidates: list[str], places: set[int]
) -> None:
    relevant = sorted(place for place in places if place < len(candidates))
    fields = {"query": query, "candidates": candidates, "relevant": relevant}
    pairs = list(parse_pairs(fields, "x:1"))
    labelled = parse_labelled(fields, "x:1")
    assert [(pair.query, pair.passage) for pair in pairs] == [
        (labelled.query, text) for _, text in labelled.candidates or ()
    ]
    assert [pair.relevant for pair in pairs] == [
        id_ in labelled.relevant for id_, _ in labelled.candidates or ()
    ]


def test_a_query_without_a_relevant_passage_gives_pairs() -> None:
    fields = {"query": "q", "candidates": ["p"], "relevant": {"0": -1}}
    assert list(parse_pairs(fields, "x:1")) == [LabelledPair("q", "p", relevant=False)]


def test_lone_surrogates_become_replacement_characters() -> None:
    fields = {"query": "q\udce9", "candidates": ["p\udce9"], "relevant": [0]}
    assert list(parse_pairs(fields, "x:1")) == [LabelledPair("q\ufffd", "p\ufffd", relevant=True)]


def test_a_file_that_is_missing_undecodable_or_blank_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    with pytest.raises(InvalidInputError, match="cannot read"):
        read_labelled_pairs(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInputError, match=r"data\.jsonl:1: not UTF-8"):
        read_labelled_pairs(path)
    path.write_text("\n \n")
    with pytest.raises(InvalidInputError, match="has no pairs"):
        read_labelled_pairs(path)


@pytest.mark.parametrize("name", ["passage", "text"])
def test_pairs_without_labels_are_read_by_either_name_of_the_passage(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps({"query": "q", name: "p"}))
    assert read_pairs(path) == [("q", "p")]


@pytest.mark.parametrize(
    "fields",
    [
        {"query": "q", "passage": "one", "label": "good"},
        {"query": "q", "candidates": ["one", "two"]},
        {"query": "q", "candidates": [{"id": 7, "passage": "one"}], "relevant": {"9": 2}},
        {"query": "q", "candidates": [], "passage": "one"},
    ],
)
def test_labels_are_neither_needed_nor_checked_where_pairs_alone_are_read(
    tmp_path: Path, fields: dict[str, Any]
) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(fields))
    expected = [("q", "one"), ("q", "two")][: max(1, len(fields.get("candidates", [])))]
    assert read_pairs(path) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"query": "q", "candidates": [3]}',
            r"pairs\.jsonl:1: 'candidates'\[0\] is 3; give a string",
        ),
        ('{"candidates": ["p"]}', r"pairs\.jsonl:1: the field 'query' is missing; add it"),
        ("", r"pairs\.jsonl' has no pairs; write one JSON object per line"),
        ("no json", r"pairs\.jsonl:1: not valid JSON"),
        ('["q", "p"]', r"pairs\.jsonl:1: \[\"q\", \"p\"\] is not a JSON object; write one"),
        ('{"query": "q"}', r"pairs\.jsonl:1: the field 'passage' is missing; add it"),
        ('{"query": "q", "passage": 3}', r"pairs\.jsonl:1: 'passage' is 3; give a string"),
        ('{"query": "", "passage": "p"}', r"pairs\.jsonl:1: 'query': the query is empty"),
    ],
)
def test_a_wrong_line_without_a_label_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(line)
    with pytest.raises(InvalidInputError, match=message):
        read_pairs(path)
