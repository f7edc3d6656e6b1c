"""Read JSONL: a JSON object on each line. `read_jsonl` reads labelled queries.

Fields of a labelled query:

- `query`: the query.
- `candidates`: strings, or objects with `id` and `passage`, in the first stage's order. Without the
  field, a retriever finds them.
- `relevant`: a list of ids, or an object of id to grade. The ids of candidates that are strings are
  their positions, from 0 on.
- `id`: optional; by default the line's number.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bge_rerank.data.labelled import Candidate, LabelledQuery, check_labelled
from bge_rerank.errors import InvalidInputError


def read_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place (`file:line`) and the object of each line that is not empty.

    Raises:
        InvalidInputError: The file cannot be read, or a line is not UTF-8 or not a JSON object.
    """
    try:
        with path.open("rb") as lines:
            yield from parse_objects(
                (_decoded(line, f"{path}:{number}") for number, line in enumerate(lines, 1)), path
            )
    except OSError as error:
        raise InvalidInputError(f"cannot read {str(path)!r}: {error.strerror}") from error


def parse_objects(lines: Iterable[str], name: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place (`name:line`) and the object of each line that is not empty.

    Raises:
        InvalidInputError: A line is not a JSON object.

    >>> list(parse_objects(['{"query": "tides"}', "", "[1]"], "data.jsonl"))
    Traceback (most recent call last):
    bge_rerank.errors.InvalidInputError: data.jsonl:3: [1] is not a JSON object; write one per line
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield f"{name}:{number}", _object(line, f"{name}:{number}")


def read_jsonl(path: Path | str, *, allow_missed: bool = False) -> Iterator[LabelledQuery]:
    """Read labelled queries, one at a time, in the file's order.

    Args:
        path: The file. Empty lines are skipped.
        allow_missed: Accept labels of passages that are not among the candidates, because the first
            stage missed them. The measures count them. By default such labels are an error, because
            a mistyped id looks the same.

    Raises:
        InvalidInputError: The file cannot be read, two queries have the same id, or a line cannot be
            used. The message names the line and the field.
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
        place: The file and line, for the error message. The line's number is the default id.
        needs_relevant: Refuse a query without a relevant passage.

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
    return check_labelled(labelled, place, needs_relevant=needs_relevant)


def _object(line: str, place: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{place}: not valid JSON ({error})") from error
    if not isinstance(fields, dict):
        raise InvalidInputError(
            f"{place}: {line.strip():.80} is not a JSON object; write one per line"
        )
    return fields


def _decoded(line: bytes, place: str) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{place}: cannot read it as UTF-8 ({error.reason})") from error


def _check_known(relevant: Mapping[str, int], candidates: Sequence[Candidate], place: str) -> None:
    known = {id_ for id_, _ in candidates}
    for id_ in relevant:
        if id_ not in known:
            raise InvalidInputError(
                f"{place}: 'relevant' names {id_!r:.80}, which is none of the {len(known)} "
                "candidates; correct the id or, where the first stage missed it, set allow_missed"
            )
