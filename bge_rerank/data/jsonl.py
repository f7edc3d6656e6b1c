"""Read JSONL, a JSON object on each line. `read_jsonl` reads labelled queries.

Fields of a labelled query:

- `query`: the query.
- `candidates`: strings, or objects with `id` and `passage`, in the first stage's order. Without this
  field, a retriever must find the candidates.
- `relevant`: a list of ids, or an object of id to grade. A candidate that is a string has its position
  as id, from 0 on.
- `id`: optional; the default is the line number.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bge_rerank.data.labelled import Candidate, LabelledQuery, check_labelled
from bge_rerank.errors import InvalidInputError


def read_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place (`file:line`) and the object of each line that is not blank.

    Raises:
        InvalidInputError: The file cannot be read, or a line is not UTF-8 or not a JSON object.
    """
    try:
        with path.open("rb") as lines:
            yield from parse_objects(
                (decoded(line, f"{path}:{number}") for number, line in enumerate(lines, 1)), path
            )
    except OSError as error:
        raise InvalidInputError(
            f"cannot read {str(path)!r} ({error.strerror}); check the path"
        ) from error


def decoded(line: bytes, place: str) -> str:
    """Return a line as text, without a byte order mark; `place` is its file and line, for the error.

    Raises:
        InvalidInputError: The line is not UTF-8.
    """
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"{place}: not UTF-8 ({error.reason}); save the file as UTF-8"
        ) from error


def parse_objects(lines: Iterable[str], name: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place (`name:line`) and the object of each line that is not blank.

    Raises:
        InvalidInputError: A line is not a JSON object.

    >>> list(parse_objects(['{"query": "tides"}', "", "[1]"], "data.jsonl"))
    Traceback (most recent call last):
    bge_rerank.errors.InvalidInputError: data.jsonl:3: [1] is not a JSON object; write one per line
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield f"{name}:{number}", parse_object(line, f"{name}:{number}")


def parse_object(line: str, place: str) -> dict[str, Any]:
    """Return the object of a line; `place` is its file and line, for the error.

    Raises:
        InvalidInputError: The line is not a JSON object.
    """
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise InvalidInputError(
            f"{place}: not valid JSON at column {error.colno} ({error.msg}); write one JSON object per "
            "line"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"{place}: not valid JSON ({error}); write one JSON object per line"
        ) from error
    if not isinstance(fields, dict):
        raise InvalidInputError(
            f"{place}: {line.strip():.80} is not a JSON object; write one per line"
        )
    return fields


def read_jsonl(path: Path | str, *, allow_missed: bool = False) -> Iterator[LabelledQuery]:
    """Yield the labelled queries of a file, in order.

    Args:
        path: The file. Blank lines are skipped.
        allow_missed: Accept labels of passages that are not among the candidates: the first stage
            missed them, and the measures count them. By default such a label is an error, because a
            mistyped id looks the same.

    Raises:
        InvalidInputError: The file cannot be read, two queries have the same id, or a line cannot be
            used. The message names the line and the field.

    >>> from tempfile import TemporaryDirectory
    >>> line = '{"query": "what causes tides", "candidates": ["Bread.", "The Moon."], "relevant": [1]}'
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "queries.jsonl"
    ...     _ = path.write_text(line)
    ...     [labelled] = read_jsonl(path)
    >>> labelled.candidates, labelled.relevant
    ([('0', 'Bread.'), ('1', 'The Moon.')], {'1': 1})
    """
    seen: set[str] = set()
    for place, fields in read_objects(Path(path)):
        labelled = parse_labelled(fields, place)
        if labelled.id in seen:
            raise InvalidInputError(
                f"{place}: 'id' is {labelled.id!r:.80}, as on an earlier line; ids must differ"
            )
        if labelled.candidates is not None and not allow_missed:
            _check_known(labelled.relevant, labelled.candidates, place)
        seen.add(labelled.id)
        yield labelled


def parse_labelled(fields: Mapping[str, Any], place: str) -> LabelledQuery:
    """Return the labelled query of a line.

    Args:
        fields: The line's object.
        place: The file and line, for error messages. The line number is the default id.

    Raises:
        InvalidInputError: A field is missing or wrong. The message names the field.

    >>> parse_labelled({"query": "tides", "candidates": ["a", "b"], "relevant": [1]}, "x:7")
    LabelledQuery(id='7', query='tides', candidates=[('0', 'a'), ('1', 'b')], relevant={'1': 1})
    """
    from bge_rerank.data.records import QueryRecord, parse

    record = parse(QueryRecord, {"id": place.rpartition(":")[2], **fields}, place)
    candidates = record.candidates
    labelled = LabelledQuery(
        record.id,
        record.query,
        None if candidates is None else [(each.id, each.passage) for each in candidates],
        record.relevant,
    )
    return check_labelled(labelled, place)


def _check_known(relevant: Mapping[str, int], candidates: Sequence[Candidate], place: str) -> None:
    known = {id_ for id_, _ in candidates}
    for id_ in relevant:
        if id_ not in known:
            raise InvalidInputError(
                f"{place}: 'relevant' names {id_!r:.80}, which is not among the {len(known)} "
                "candidates; correct the id or, if the first stage missed that passage, set "
                "allow_missed=True"
            )
