"""Reading the passage of a line, from a named field or from one of the two default fields."""

from typing import Any

import pytest

from bge_rerank import InvalidInputError
from bge_rerank.data.records import parse_passage


@pytest.mark.parametrize(
    ("fields", "field", "passage"),
    [
        ({"passage": "a", "text": "b"}, None, "a"),
        ({"text": "b"}, None, "b"),
        ({"passage": "a", "text": "b"}, "text", "b"),
        ({"passage": "a", "body": ""}, "body", ""),
        ({"text": "caf\udce9"}, None, "caf\udce9"),
    ],
)
def test_a_passage_is_read_unchanged(
    fields: dict[str, Any], field: str | None, passage: str
) -> None:
    assert parse_passage(fields, field, "x:1") == passage


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"body": "a"}, None, "x:1: the field 'passage' is missing; add it"),
        ({"passage": "a"}, "body", "x:1: the field 'body' is missing; add it"),
        ({"text": None}, None, "x:1: 'text' is None; give a string"),
        ({"passage": 3, "text": "b"}, None, "x:1: 'passage' is 3; give a string"),
        ({"passage": "a", "body": ["b"]}, "body", r"x:1: 'body' is \['b'\]; give a string"),
    ],
)
def test_a_wrong_passage_is_named_with_its_field(
    fields: dict[str, Any], field: str | None, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse_passage(fields, field, "x:1")
