"""The demo's own test collection: 204 passages on 12 invented subjects, 60 questions, graded judgements.

Written for this project, in the BEIR layout, under the project's licence. Passages of a subject are
near-misses of one another: the same subject, another fact. Grades: 2 answers the question, 1 helps
partly, 0 was judged and does not answer.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage: its id, title and text."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Collection:
    """A test collection.

    Attributes:
        passages: What is searched.
        questions: Question id to question.
        judgements: Question id to passage id to grade.
    """

    passages: tuple[Passage, ...]
    questions: dict[str, str]
    judgements: dict[str, dict[str, int]]


@cache
def demo_collection() -> Collection:
    """Read the collection that the package carries.

    >>> collection = demo_collection()
    >>> len(collection.passages), len(collection.questions)
    (204, 60)
    """
    folder = files(__package__) / "corpus"
    passages = (json.loads(line) for line in _lines(folder / "corpus.jsonl"))
    questions = (json.loads(line) for line in _lines(folder / "queries.jsonl"))
    judgements: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for row in csv.DictReader(_lines(folder / "qrels" / "test.tsv"), delimiter="\t"):
        judgements[row["query-id"]][row["corpus-id"]] = int(row["score"])
    return Collection(
        tuple(Passage(passage["_id"], passage["title"], passage["text"]) for passage in passages),
        {question["_id"]: question["text"] for question in questions},
        dict(judgements),
    )


def _lines(file: Traversable) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()
