"""Labelled queries and collections, and the check that names their faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from bge_rerank.errors import InvalidInputError
from bge_rerank.inputs import checked_query, shown_value

Candidate = tuple[str, str]
"""The id of a passage, and the passage."""
Retriever = Callable[[str], Sequence[Candidate]]
"""A first stage: a function that returns the candidates of a query, best first."""


LARGEST_GRADE = 100_000
"""trec_eval counts up to the highest grade for each query: 2 ms for this one, 42 s for 2**31."""


@dataclass(frozen=True, slots=True)
class LabelledQuery:
    """A query, its candidates, and the grades of its passages.

    Attributes:
        id: Unique among the queries.
        candidates: (id, passage) of each candidate, in the first stage's order. If it is `None`, a
            retriever finds the candidates.
        relevant: Passage id to grade, a whole number. A grade from 1 on means relevant; a higher grade
            means more relevant. Include passages that the first stage missed.
    """

    id: str
    query: str
    candidates: Sequence[Candidate] | None
    relevant: Mapping[str, int]

    @property
    def has_relevant(self) -> bool:
        """Whether any passage is relevant. Without one, each ranking measures 0."""
        return any(grade > 0 for grade in self.relevant.values())


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of a collection; `title` is empty if the passage has none."""

    id: str
    title: str
    text: str

    @property
    def searched(self) -> str:
        """Title and text, with a space between, as a retriever searches them."""
        return f"{self.title} {self.text}".strip() if self.title else self.text.strip()


@dataclass(frozen=True)
class LabelledCollection:
    """A collection with labels, held in memory.

    Attributes:
        questions: Query id to query.
        judgements: Query id to passage id to grade, for one split.
    """

    passages: tuple[Passage, ...]
    questions: dict[str, str]
    judgements: dict[str, dict[str, int]]

    @cached_property
    def texts(self) -> dict[str, str]:
        """Passage id to title and text, as a retriever searches them."""
        return {passage.id: passage.searched for passage in self.passages}

    def labelled_queries(self) -> Iterator[LabelledQuery]:
        """Yield the split's queries without candidates, in the order of the labels."""
        for id_, relevant in self.judgements.items():
            yield LabelledQuery(id_, self.questions[id_], None, relevant)


def check_labelled(labelled: LabelledQuery, place: str) -> LabelledQuery:
    """Return a labelled query after checking it.

    Args:
        labelled: The query to check.
        place: The file and line, for error messages.

    Raises:
        InvalidInputError: The id or the query is empty or not a string, a grade is not a whole number,
            or `check_candidates` finds a fault. The message names the field.

    >>> check_labelled(LabelledQuery("q1", "what causes tides", None, {"p1": 0.5}), "data.jsonl:7")
    Traceback (most recent call last):
    bge_rerank.errors.InvalidInputError: data.jsonl:7: 'relevant'['p1'] is 0.5; give a whole number, 0 for not relevant
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
    return labelled


def check_candidates(candidates: Sequence[Candidate], place: str) -> None:
    """Refuse candidates that cannot be ranked.

    Raises:
        InvalidInputError: A candidate is not a tuple of id and passage, both strings, or two
            candidates have the same id.

    >>> check_candidates([("a", "one"), ("a", "two")], "'candidates'")
    Traceback (most recent call last):
    bge_rerank.errors.InvalidInputError: 'candidates'[1] has the id 'a', as an earlier candidate; ids must differ
    """
    seen: set[str] = set()
    for index, candidate in enumerate(candidates):
        if not isinstance(candidate, tuple | list) or len(candidate) != 2:  # noqa: PLR2004
            raise InvalidInputError(
                f"{place}[{index}] is {candidate!r:.80}; give a tuple of id and passage"
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
                f"{place}[{index}] has the id {id_!r:.80}, as an earlier candidate; ids must differ"
            )
        seen.add(id_)


def checked_grade(grade: object, place: str) -> int:
    """Return a grade; a grade below 0, as in TREC's collections, becomes 0.

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
