"""Labelled queries from a folder in the BEIR layout.

`corpus.jsonl` (`_id`, `title`, `text`), `queries.jsonl` (`_id`, `text`), `qrels/<split>.tsv` (a header,
then `query-id`, `corpus-id` and `score`, with tabs between).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from bge_rerank.data.collection import LabelledCollection
from bge_rerank.data.json_lines import read_objects
from bge_rerank.data.labelled import check_labelled, checked_grade
from bge_rerank.errors import ConfigurationError, InvalidInputError

COLUMNS = ("query-id", "corpus-id", "score")


def splits(folder: Path) -> list[str]:
    """Return the names of a collection's splits, sorted."""
    return sorted(path.stem for path in (folder / "qrels").glob("*.tsv"))


def choose_split(folder: Path, split: str | None) -> str:
    """Return the split asked for; without one, `test`, or the only one there is.

    Raises:
        ConfigurationError: There is no such split, or one has to be chosen.
    """
    there = splits(folder)
    chosen = split or ("test" if "test" in there or len(there) != 1 else there[0])
    if chosen not in there:
        names = ", ".join(there) or "none"
        raise ConfigurationError(
            f"there is no split {chosen!r} in {str(folder / 'qrels')!r}; its splits: {names}"
        )
    return chosen


def read_beir(folder: Path, split: str | None = None) -> LabelledCollection:
    """Read a collection, and check it whole.

    Args:
        folder: Where its files are.
        split: Which labels to take; `None` is `test`, or the only split there is.

    Raises:
        ConfigurationError: There is no such split.
        InvalidInputError: A file cannot be read, an id stands there twice, a text is no string, a
            grade is no whole number, a label is for a query or a passage that is not there, or a
            query has no relevant passage; it names the file, the line and the field.
    """
    labels = folder / "qrels" / f"{choose_split(folder, split)}.tsv"
    texts = _texts(folder / "corpus.jsonl")
    questions = _texts(folder / "queries.jsonl")
    judgements: dict[str, dict[str, int]] = {}
    first_lines: dict[str, int] = {}
    for number, query, passage, grade in _labels(labels, questions, texts):
        first_lines.setdefault(query, number)
        judged = judgements.setdefault(query, {})
        if passage in judged:
            raise InvalidInputError(
                f"{labels}:{number}: {passage!r:.80} was judged for {query!r:.80} before; keep one"
            )
        judged[passage] = grade
    collection = LabelledCollection(texts, questions, judgements)
    for labelled in collection.labelled_queries():
        check_labelled(labelled, f"{labels}:{first_lines[labelled.id]}: query {labelled.id!r:.80}")
    return collection


def _texts(path: Path) -> dict[str, str]:
    """Return id to title and text."""
    texts: dict[str, str] = {}
    for place, record in read_objects(path):
        id_ = record.get("_id")
        if not isinstance(id_, str) or not id_:
            raise InvalidInputError(f"{place}: '_id' is {id_!r:.80}; give a string")
        if id_ in texts:
            raise InvalidInputError(f"{place}: '_id' is {id_!r:.80}, as before; ids must differ")
        parts = {"title": record.get("title") or "", "text": record.get("text")}
        for name, value in parts.items():
            if not isinstance(value, str):
                raise InvalidInputError(f"{place}: {name!r} is {value!r:.80}; give a string")
        texts[id_] = f"{parts['title']} {parts['text']}".strip()
    return texts


def _labels(
    path: Path, questions: Mapping[str, str], texts: Mapping[str, str]
) -> Iterator[tuple[int, str, str, int]]:
    """Give line, query id, passage id and grade of each label, and check them."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        if not set(COLUMNS) <= set(rows.fieldnames or ()):
            raise InvalidInputError(
                f"{path}:1: no header with {', '.join(COLUMNS)}; write one, with tabs between"
            )
        for row in rows:
            place = f"{path}:{rows.line_num}"
            query, passage, score = (row[name] for name in COLUMNS)
            if query not in questions:
                raise InvalidInputError(
                    f"{place}: 'query-id' {query!r:.80} is not in queries.jsonl"
                )
            if passage not in texts:
                raise InvalidInputError(
                    f"{place}: 'corpus-id' {passage!r:.80} is not in corpus.jsonl"
                )
            yield rows.line_num, query, passage, _grade(score, f"{place}: 'score'")


def _grade(score: str | None, place: str) -> int:
    try:
        grade: object = int(score or "")
    except ValueError:
        grade = score
    return checked_grade(grade, place)
