"""Labelled queries from JSONL: an object a line, with `query`, `candidates` and `relevant`.

`candidates`: strings, or objects with `id` and `text`, in the first stage's order; without the field, a
retriever finds them. `relevant`: a list of ids, or an object of id to grade; where candidates are
strings, their places from 0 on are the ids. An `id` of the query's own is optional; without one it is
the line's number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bge_rerank.data.json_lines import read_objects
from bge_rerank.data.labelled import Candidate, LabelledQuery, check_labelled, checked_grade
from bge_rerank.errors import InvalidInputError


def read_jsonl(path: Path | str, *, allow_missed: bool = False) -> Iterator[LabelledQuery]:
    """Read labelled queries, one at a time, in the file's order.

    Args:
        path: The file. Lines without anything are skipped.
        allow_missed: Take labels for passages that are not among the candidates: the first stage
            missed them, and the measures count them. By default they are refused, as ids that do
            not match look the same.

    Raises:
        InvalidInputError: The file cannot be read, two queries have one id, or a line cannot be
            evaluated on; it names the line and the field.
    """
    seen: set[str] = set()
    for place, fields in read_objects(Path(path)):
        labelled = parse_labelled(fields, place)
        if labelled.id in seen:
            raise InvalidInputError(
                f"{place}: 'id' is {labelled.id!r:.80}, as of a query before; ids must differ"
            )
        if labelled.candidates is not None and not allow_missed:
            _check_known(labelled.relevant, labelled.candidates, place)
        seen.add(labelled.id)
        yield labelled


def parse_labelled(
    fields: Mapping[str, Any], place: str, *, needs_relevant: bool = True
) -> LabelledQuery:
    """Return the labelled query of a line.

    Args:
        fields: The line's object.
        place: Where it stands, for the message: file and line, whose number is the id of a query
            without one.
        needs_relevant: Refuse a query without a relevant passage.

    Raises:
        InvalidInputError: A field is missing, or `check_labelled` finds a fault. It names the field.

    >>> parse_labelled({"query": "tides", "candidates": ["a", "b"], "relevant": [1]}, "x:7")
    LabelledQuery(id='7', query='tides', candidates=[('0', 'a'), ('1', 'b')], relevant={'1': 1})
    """
    for name in ("query", "relevant"):
        if name not in fields:
            raise InvalidInputError(f"{place}: the field {name!r} is missing")
    given = fields.get("candidates")
    labelled = LabelledQuery(
        _id(fields.get("id", place.rpartition(":")[2])),
        fields["query"],
        None if given is None else _candidates(given, place),
        _relevant(fields["relevant"], f"{place}: 'relevant'"),
    )
    return check_labelled(labelled, place, needs_relevant=needs_relevant)


def _candidates(given: object, place: str) -> list[Candidate]:
    if not isinstance(given, list):
        raise InvalidInputError(f"{place}: 'candidates' is {given!r:.80}; give a list")
    return [
        _candidate(item, index, f"{place}: 'candidates'[{index}]")
        for index, item in enumerate(given)
    ]


def _candidate(item: Any, index: int, place: str) -> Candidate:
    """Return id and text as they were given; whether they are strings is checked with the rest."""
    if isinstance(item, str):
        return str(index), item
    if not isinstance(item, dict) or not {"id", "text"} <= set(item):
        raise InvalidInputError(
            f"{place} is {item!r:.80}; give a string, or an object with 'id' and 'text'"
        )
    return _id(item["id"]), item["text"]


def _relevant(given: object, place: str) -> dict[str, int]:
    """Return id to grade; ids of a list have grade 1."""
    if isinstance(given, dict):
        return {
            id_: checked_grade(grade, f"{place} of {id_!r:.80}") for id_, grade in given.items()
        }
    if not isinstance(given, list):
        raise InvalidInputError(
            f"{place} is {given!r:.80}; give a list of ids, or an object of id to grade"
        )
    for index, id_ in enumerate(given):
        if type(id_) not in (int, str):
            raise InvalidInputError(
                f"{place}[{index}] is {id_!r:.80}; give an id, or a place from 0 on"
            )
    return {_id(id_): 1 for id_ in given}


def _id(given: Any) -> Any:
    """Return a whole number as the string it is written as, anything else as it is."""
    return str(given) if type(given) is int else given


def _check_known(relevant: Mapping[str, int], candidates: Sequence[Candidate], place: str) -> None:
    known = {id_ for id_, _ in candidates}
    for id_ in relevant:
        if id_ not in known:
            raise InvalidInputError(
                f"{place}: 'relevant' names {id_!r:.80}, which is none of the {len(known)} "
                "candidates; mend the id or, where the first stage missed it, set allow_missed"
            )
