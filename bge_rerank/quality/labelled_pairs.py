"""`LabelledPair`: a query, a passage, and whether it answers. Read from JSONL, with faults named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bge_rerank.errors import InvalidInputError
from bge_rerank.inputs import checked_query, without_lone_surrogates
from bge_rerank.types import Pair


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """A query and a passage, and what a person said of them.

    Attributes:
        query: What is asked.
        passage: What is scored.
        relevant: Whether the passage answers the query.
    """

    query: str
    passage: str
    relevant: bool

    @property
    def pair(self) -> Pair:
        """What a scorer takes."""
        return self.query, self.passage


def read_labelled_pairs(path: Path) -> list[LabelledPair]:
    """Read labelled pairs from JSONL: an object a line, of one of two forms.

    `{"query": "...", "passage": "...", "label": 1}`, where the label is 1 (relevant) or 0; or
    `{"query": "...", "candidates": [...], "relevant": [...]}`, a line a query: candidates are texts,
    or objects with `id` and `text`; `relevant` is a list of ids, or an object of id to grade, where
    grades from 1 on are relevant. Of texts without ids the ids are their places, from 0 on. An id
    that is none of the candidates', as the first stage missed it, is left out: it has no score.

    Raises:
        InvalidInputError: The file cannot be read or has no pair, or a line is of neither form. It
            names the line and the field.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"cannot read {str(path)!r}: {error}") from error
    pairs = [
        pair
        for number, line in enumerate(lines, 1)
        if line.strip()
        for pair in parse_line(line, f"{path}:{number}")
    ]
    if not pairs:
        raise InvalidInputError(f"{str(path)!r} has no pairs; give a JSON object a line")
    return pairs


def parse_line(line: str, place: str) -> Iterator[LabelledPair]:
    """Return the pairs of a line, in its order.

    Raises:
        InvalidInputError: The line is of neither form; `place` stands in front of what is wrong.

    >>> list(parse_line('{"query": "tides", "candidates": ["a", "b"], "relevant": [1]}', "x:1"))
    [LabelledPair(query='tides', passage='a', relevant=False), LabelledPair(query='tides', passage='b', relevant=True)]
    >>> list(parse_line('{"query": "tides", "passage": "a", "label": "yes"}', "data.jsonl:7"))
    Traceback (most recent call last):
    bge_rerank.errors.InvalidInputError: data.jsonl:7: 'label' is 'yes'; give 1 (relevant) or 0
    """
    fields = _object(line, place)
    query = _query(fields, place)
    if "passage" in fields:
        yield LabelledPair(
            query, _text(fields["passage"], f"{place}: 'passage'"), _label(fields, place)
        )
    elif "candidates" in fields:
        relevant = _relevant(fields, place)
        candidates = list(_candidates(fields["candidates"], place))
        _check_places(fields["candidates"], relevant, place)
        for id_, text in candidates:
            yield LabelledPair(query, text, id_ in relevant)
    else:
        raise InvalidInputError(
            f"{place}: neither 'passage' nor 'candidates'; give one of the two, with 'label' or "
            "'relevant'"
        )


def _object(line: str, place: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{place}: no JSON ({error})") from error
    if not isinstance(fields, dict):
        raise InvalidInputError(f"{place}: {line.strip():.80} is no JSON object; give one a line")
    return fields


def _query(fields: dict[str, Any], place: str) -> str:
    try:
        return checked_query(fields.get("query"))
    except InvalidInputError as error:
        raise InvalidInputError(f"{place}: 'query': {error}") from error


def _label(fields: dict[str, Any], place: str) -> bool:
    label = fields.get("label")
    if isinstance(label, bool) or label not in (0, 1):
        raise InvalidInputError(f"{place}: 'label' is {label!r:.80}; give 1 (relevant) or 0")
    return bool(label)


def _text(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise InvalidInputError(f"{place} is {value!r:.80}; give a string")
    return without_lone_surrogates(value)


def _candidates(candidates: object, place: str) -> Iterator[tuple[str, str]]:
    """Return id and text of each; the place is the id of a text without one."""
    if not isinstance(candidates, list):
        raise InvalidInputError(f"{place}: 'candidates' is {candidates!r:.80}; give a list")
    for index, candidate in enumerate(candidates):
        where = f"{place}: 'candidates'[{index}]"
        if isinstance(candidate, str):
            yield str(index), without_lone_surrogates(candidate)
        elif isinstance(candidate, dict) and {"id", "text"} <= set(candidate):
            yield (
                _id(candidate["id"], f"{where}['id']"),
                _text(candidate["text"], f"{where}['text']"),
            )
        else:
            raise InvalidInputError(
                f"{where} is {candidate!r:.80}; give a text, or an object with 'id' and 'text'"
            )


def _relevant(fields: dict[str, Any], place: str) -> set[str]:
    """Return the ids of what is relevant."""
    relevant = fields.get("relevant")
    where = f"{place}: 'relevant'"
    if isinstance(relevant, dict):
        for id_, grade in relevant.items():
            if type(grade) is not int:
                raise InvalidInputError(
                    f"{where}[{id_!r:.80}] is {grade!r:.80}; give a whole number"
                )
        return {id_ for id_, grade in relevant.items() if grade >= 1}
    if not isinstance(relevant, list):
        raise InvalidInputError(
            f"{where} is {relevant!r:.80}; give a list of ids, or an object of id to grade"
        )
    return {_id(id_, f"{where}[{index}]") for index, id_ in enumerate(relevant)}


def _check_places(candidates: list[Any], relevant: set[str], place: str) -> None:
    """Refuse what is no place of a text; an id may be one that the first stage missed."""
    if not all(isinstance(candidate, str) for candidate in candidates or [None]):
        return
    for id_ in sorted(relevant - {str(index) for index in range(len(candidates))}):
        raise InvalidInputError(
            f"{place}: 'relevant' has {id_!r:.80}, and there are {len(candidates)} texts without "
            "ids; give their places, from 0 on"
        )


def _id(value: object, place: str) -> str:
    """Return an id; a whole number is the string that it is written as."""
    return str(value) if type(value) is int else _text(value, place)
