"""Labelled queries and collections, and the check that names a fault in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from bge_rerank.errors import InvalidInputError
from bge_rerank.inputs import checked_query, shown_value

Candidate = tuple[str, str]
"""A passage's id and the passage."""
Retriever = Callable[[str], Sequence[Candidate]]
"""A first stage: returns the candidates of a query, best first."""


LARGEST_GRADE = 100_000
"""trec_eval counts up to the highest grade for each query: 2 ms up to this one, 42 s up to 2**31."""


@dataclass(frozen=True, slots=True)
class LabelledQuery:
    """A query, its candidates, and the grades of its passages.

    Attributes:
        id: Unique among the queries.
        candidates: Id and passage of each candidate, in the first stage's order. With `None`, a
            retriever finds them.
        relevant: Passage id to grade, a whole number. Grades from 1 on are relevant, higher grades
            more so. Passages that the first stage missed count too.
    """

    id: str
    query: str
    candidates: Sequence[Candidate] | None
    relevant: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of a collection; `title` is empty where the passage has none."""

    id: str
    title: str
    text: str

    @property
    def searched(self) -> str:
        """Title and text, with a space between."""
        return f"{self.title} {self.text}".strip() if self.title else self.text.strip()


@dataclass(frozen=True)
class LabelledCollection:
    """A collection with labels, held in memory.

    Attributes:
        questions: Query id to query.
        judgements: Query id to passage id to grade, of one split.
    """

    passages: tuple[Passage, ...]
    questions: dict[str, str]
    judgements: dict[str, dict[str, int]]

    @cached_property
    def texts(self) -> dict[str, str]:
        """Passage id to title and text, with a space between: what a retriever searches."""
        return {passage.id: passage.searched for passage in self.passages}

    def labelled_queries(self) -> Iterator[LabelledQuery]:
        """Yield the split's queries, in the order of its labels, for a retriever to search."""
        for id_, relevant in self.judgements.items():
            yield LabelledQuery(id_, self.questions[id_], None, relevant)


def check_labelled(
    labelled: LabelledQuery, place: str, *, needs_relevant: bool = True
) -> LabelledQuery:
    """Return a labelled query after checking it.

    Args:
        labelled: The query to check.
        place: The file and line, for the error message.
        needs_relevant: Refuse a query without a relevant passage: all its rankings measure the same.

    Raises:
        InvalidInputError: The id or the query is empty or not a string, no passage is relevant, a
            grade is not a whole number, or `check_candidates` finds a fault. The message names the
            field.

    >>> check_labelled(LabelledQuery("q1", "what causes tides", None, {"p1": 0}), "data.jsonl:7")
    Traceback (most recent call last):
    bge_rerank.errors.InvalidInputError: data.jsonl:7: 'relevant' names no relevant passage; give one a grade from 1 on, or leave the query out
    """
    if not isinstance(labelled.id, str) or not labelled.id:
        raise InvalidInputError(f"{place}: 'id' is {labelled.id!r:.80}; give a string")
    try:
        checked_query(labelled.query)
    except InvalidInputError as error:
        raise InvalidInputError(f"{place}: 'query': {error}") from error
    if labelled.candidates is not None:
        check_candidates(labelled.candidates, f"{place}: 'candidates'")
    for id_, grade in labelled.relevant.items():
        if not isinstance(id_, str):
            raise InvalidInputError(f"{place}: 'relevant' has the id {id_!r:.80}; give a string")
        checked_grade(grade, f"{place}: 'relevant'[{id_!r:.80}]")
    if needs_relevant and not any(grade > 0 for grade in labelled.relevant.values()):
        raise InvalidInputError(
            f"{place}: 'relevant' names no relevant passage; "
            "give one a grade from 1 on, or leave the query out"
        )
    return labelled


def check_candidates(candidates: Sequence[Candidate], place: str) -> None:
    """Refuse candidates that cannot be ranked.

    Raises:
        InvalidInputError: A candidate is not a pair of an id and a passage, both strings, or two
            candidates have the same id.

    >>> check_candidates([("a", "one"), ("a", "two")], "'candidates'")
    Traceback (most recent call last):
    bge_rerank.errors.InvalidInputError: 'candidates'[1] has the id 'a', as one before it; ids must differ
    """
    seen: set[str] = set()
    for index, candidate in enumerate(candidates):
        if not isinstance(candidate, tuple | list) or len(candidate) != 2:  # noqa: PLR2004
            raise InvalidInputError(
                f"{place}[{index}] is {candidate!r:.80}; give a pair of an id and a passage"
            )
        id_, passage = candidate
        if not isinstance(id_, str) or not id_:
            raise InvalidInputError(f"{place}[{index}] has the id {id_!r:.80}; give a string")
        if not isinstance(passage, str):
            raise InvalidInputError(
                f"{place}[{index}] has a passage of type {type(passage).__name__}; give a string"
            )
        if id_ in seen:
            raise InvalidInputError(
                f"{place}[{index}] has the id {id_!r:.80}, as one before it; ids must differ"
            )
        seen.add(id_)


def checked_grade(grade: object, place: str) -> int:
    """Return a grade. Grades below 0, which TREC's collections have, count as 0.

    Raises:
        InvalidInputError: The grade is not a whole number, or is above `LARGEST_GRADE`.

    >>> checked_grade("high", "data.tsv:7: 'score'")
    Traceback (most recent call last):
    bge_rerank.errors.InvalidInputError: data.tsv:7: 'score' is 'high'; give a whole number, 0 for not relevant
    """
    if isinstance(grade, bool) or not isinstance(grade, int):
        raise InvalidInputError(
            f"{place} is {grade!r:.80}; give a whole number, 0 for not relevant"
        )
    if grade > LARGEST_GRADE:
        raise InvalidInputError(
            f"{place} is {shown_value(grade)}; give a whole number up to {LARGEST_GRADE}"
        )
    return max(grade, 0)
