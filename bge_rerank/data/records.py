"""Pydantic models of the objects that users write into JSONL, and `parse`, which names a fault.

Import this module inside the functions that read: pydantic loads slowly.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    create_model,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from bge_rerank.data.labelled import LARGEST_GRADE
from bge_rerank.errors import InvalidInputError
from bge_rerank.inputs import checked_query, shown_value

REMEDIES = {
    "string_type": "give a string",
    "string_too_short": "give a string",
    "int_type": "give a whole number, 0 for not relevant",
    "less_than_equal": f"give a whole number up to {LARGEST_GRADE}",
    "list_type": "give a list",
    "dict_type": "give a list of ids, or an object of id to grade",
    "model_type": "give a string, or an object with 'id' and 'passage'",
}
"""The type of a pydantic error to the words that say what to write instead."""


def _written(given: object) -> object:
    """Return a whole number as a string."""
    return str(given) if type(given) is int else given


def _label(given: object) -> bool:
    if isinstance(given, bool) or given not in (0, 1):
        raise PydanticCustomError("label", "give 1 (relevant) or 0")
    return bool(given)


def _with_positions(given: object) -> object:
    """Give each candidate without an id its position as id."""
    if not isinstance(given, list):
        return given
    return [
        {"id": str(index), "passage": item} if isinstance(item, str) else item
        for index, item in enumerate(given)
    ]


def _graded(given: object) -> object:
    """Turn a list of ids into a mapping to grade 1."""
    if not isinstance(given, list):
        return given
    for index, id_ in enumerate(given):
        if type(id_) not in (int, str):
            raise ValueError(
                f"item {index} is {shown_value(id_)}; give an id, or a position from 0 on"
            )
    return {str(id_): 1 for id_ in given}


Id = Annotated[str, BeforeValidator(_written)]
Query = Annotated[str, PlainValidator(checked_query)]
Grade = Annotated[int, Field(le=LARGEST_GRADE), AfterValidator(lambda grade: max(grade, 0))]
Label = Annotated[bool, PlainValidator(_label)]


class Record(BaseModel):
    """The object of a line; fields that the model does not name are ignored."""

    model_config = ConfigDict(strict=True, frozen=True)


class PassageRecord(Record):
    """A passage; `text` is the field's old name."""

    passage: str = Field(validation_alias=AliasChoices("passage", "text"))


class PairRecord(PassageRecord):
    """A query and a passage."""

    query: Query


class LabelledPairRecord(PairRecord):
    """A query, a passage, and whether the passage answers the query."""

    label: Label


class CandidateRecord(PassageRecord):
    """A passage that a first stage found."""

    id: Id


class CandidatesRecord(Record):
    """A query and its candidates."""

    query: Query
    candidates: Annotated[list[CandidateRecord], BeforeValidator(_with_positions)]


class RowRecord(CandidatesRecord):
    """A row of a batch: a query and its candidates, with an id."""

    id: Annotated[str, Field(min_length=1), BeforeValidator(_written)]


class QueryRecord(Record):
    """A query, its candidates, and the grades of its passages."""

    id: Id
    query: Query
    candidates: Annotated[list[CandidateRecord] | None, BeforeValidator(_with_positions)] = None
    relevant: Annotated[dict[str, Grade], BeforeValidator(_graded)]


class BeirRecord(Record):
    """A passage or a query in the BEIR layout."""

    id: str = Field(validation_alias="_id", min_length=1)
    title: str | None = None
    text: str


RecordT = TypeVar("RecordT", bound=Record)


def parse(model: type[RecordT], fields: Mapping[str, Any], place: str) -> RecordT:
    """Return the object of a line as a model; `place` is its file and line, for error messages.

    Raises:
        InvalidInputError: A field is missing or wrong. The message names the place, the field and
            the value.

    >>> parse(PairRecord, {"query": "tides", "text": 3}, "data.jsonl:7")
    Traceback (most recent call last):
    bge_rerank.errors.InvalidInputError: data.jsonl:7: 'text' is 3; give a string
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        fault = _fault(error.errors(include_url=False)[0])
        raise InvalidInputError(f"{place}: {fault}") from error


def parse_passage(fields: Mapping[str, Any], field: str | None, place: str) -> str:
    """Return the passage of a line from the named field; `None` reads `passage`, else `text`.

    Raises:
        InvalidInputError: The field is missing or not a string.
    """
    model = PassageRecord if field is None else _passage_record(field)
    return parse(model, fields, place).passage


@cache
def _passage_record(field: str) -> type[PassageRecord]:
    """Return a model with another name for the passage. Cached: models are slow to make."""
    passage = Field(validation_alias=field)
    return create_model("NamedRecord", __base__=PassageRecord, passage=(str, passage))


def _fault(error: ErrorDetails) -> str:
    """Name the wrong field and its value, and say what to write instead."""
    kind, path, given = error["type"], error["loc"], error["input"]
    if kind == "missing" and len(path) == 1:
        return f"the field {path[0]!r} is missing; add it"
    if kind == "missing":
        kind, path = "model_type", path[:-1]
    field = f"{path[0]!r}" + "".join(f"[{part!r}]" for part in path[1:])
    if kind == "value_error":
        return f"{field}: {error['ctx']['error']}"
    return f"{field} is {shown_value(given)}; {REMEDIES.get(kind, error['msg'])}"
