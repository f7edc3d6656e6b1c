"""Read a labelled collection from a folder in the BEIR layout.

- `corpus.jsonl`: `_id`, `title`, `text`
- `queries.jsonl`: `_id`, `text`
- `qrels/<split>.tsv`: a header, then `query-id`, `corpus-id` and `score`, separated by tabs
"""

from __future__ import annotations

import csv
from collections.abc import Container, Iterator
from pathlib import Path

from bge_rerank.data.jsonl import read_objects
from bge_rerank.data.labelled import (
    LabelledCollection,
    Passage,
    check_labelled,
    checked_grade,
)
from bge_rerank.errors import ConfigurationError, InvalidInputError

COLUMNS = ("query-id", "corpus-id", "score")


def splits(folder: Path) -> list[str]:
    """Return the names of a collection's splits, sorted."""
    return sorted(path.stem for path in (folder / "qrels").glob("*.tsv"))


def choose_split(folder: Path, split: str | None) -> str:
    """Return the given split; by default `test`, or the only split.

    Raises:
        ConfigurationError: The split does not exist, or there are several and none is `test`.
    """
    there = splits(folder)
    chosen = split or ("test" if "test" in there or len(there) != 1 else there[0])
    if chosen not in there:
        choice = f"choose one of {', '.join(there)}" if there else "add the labels as a .tsv file"
        raise ConfigurationError(f"{str(folder / 'qrels')!r} has no split {chosen!r}; {choice}")
    return chosen


def read_beir(folder: Path, split: str | None = None) -> LabelledCollection:
    """Read a collection with the labels of one split, by default `test` or the only split.

    Args:
        folder: A folder with `corpus.jsonl`, `queries.jsonl` and `qrels/<split>.tsv`.
        split: The name of the split.

    Raises:
        ConfigurationError: The split does not exist.
        InvalidInputError: A file cannot be read, two ids are equal, a field is missing or wrong, or a
            label names an unknown query or passage. The message names the file, the line and the
            field.

    >>> from bge_rerank.data.demo import FOLDER
    >>> collection = read_beir(FOLDER, "test")
    >>> len(collection.passages), len(list(collection.labelled_queries()))
    (204, 60)
    """
    labels = folder / "qrels" / f"{choose_split(folder, split)}.tsv"
    passages = _passages(folder / "corpus.jsonl")
    questions = {id_: query.searched for id_, query in _passages(folder / "queries.jsonl").items()}
    judgements: dict[str, dict[str, int]] = {}
    first_lines: dict[str, int] = {}
    for number, query, passage, grade in _labels(labels, questions, passages):
        first_lines.setdefault(query, number)
        judged = judgements.setdefault(query, {})
        if passage in judged:
            raise InvalidInputError(
                f"{labels}:{number}: an earlier line has the label of {passage!r:.80} for "
                f"{query!r:.80}; keep one of the two"
            )
        judged[passage] = grade
    collection = LabelledCollection(tuple(passages.values()), questions, judgements)
    for labelled in collection.labelled_queries():
        check_labelled(labelled, f"{labels}:{first_lines[labelled.id]}: query {labelled.id!r:.80}")
    return collection


def _passages(path: Path) -> dict[str, Passage]:
    """Return the passages of a file by id; queries are passages without a title."""
    from bge_rerank.data.records import BeirRecord, parse

    passages: dict[str, Passage] = {}
    for place, fields in read_objects(path):
        record = parse(BeirRecord, fields, place)
        if record.id in passages:
            raise InvalidInputError(
                f"{place}: '_id' is {record.id!r:.80}, as on an earlier line; ids must differ"
            )
        passages[record.id] = Passage(record.id, record.title or "", record.text)
    return passages


def _labels(
    path: Path, questions: Container[str], passages: Container[str]
) -> Iterator[tuple[int, str, str, int]]:
    """Yield the line number, query id, passage id and grade of each label, after checks."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        if not set(COLUMNS) <= set(rows.fieldnames or ()):
            raise InvalidInputError(
                f"{path}:1: the header must name {', '.join(COLUMNS)}, separated by tabs; add it"
            )
        for row in rows:
            place = f"{path}:{rows.line_num}"
            query, passage, score = (row[name] for name in COLUMNS)
            if query not in questions:
                raise InvalidInputError(
                    f"{place}: 'query-id' {query!r:.80} is not in queries.jsonl; add the "
                    "query, or remove this line"
                )
            if passage not in passages:
                raise InvalidInputError(
                    f"{place}: 'corpus-id' {passage!r:.80} is not in corpus.jsonl; add the "
                    "passage, or remove this line"
                )
            yield rows.line_num, query, passage, _grade(score, f"{place}: 'score'")


def _grade(score: str | None, place: str) -> int:
    try:
        grade: object = int(score or "")
    except ValueError:
        grade = score
    return checked_grade(grade, place)
