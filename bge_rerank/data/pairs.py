"""`LabelledPair`: a query, a passage, and whether it answers. Read from JSONL, with faults named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bge_rerank.data.json_lines import read_objects
from bge_rerank.data.jsonl import parse_labelled
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
    pairs = [pair for place, fields in read_objects(path) for pair in parse_pairs(fields, place)]
    if not pairs:
        raise InvalidInputError(f"{str(path)!r} has no pairs; give a JSON object a line")
    return pairs


def parse_pairs(fields: Mapping[str, Any], place: str) -> Iterator[LabelledPair]:
    """Return the pairs of a line's object, in its order.

    Raises:
        InvalidInputError: It is of neither form; `place` stands in front of what is wrong.

    >>> list(parse_pairs({"query": "tides", "candidates": ["a", "b"], "relevant": [1]}, "x:1"))
    [LabelledPair(query='tides', passage='a', relevant=False), LabelledPair(query='tides', passage='b', relevant=True)]
    >>> list(parse_pairs({"query": "tides", "passage": "a", "label": "yes"}, "data.jsonl:7"))
    Traceback (most recent call last):
    bge_rerank.errors.InvalidInputError: data.jsonl:7: 'label' is 'yes'; give 1 (relevant) or 0
    """
    if "passage" in fields:
        yield _pair(fields, place)
    elif fields.get("candidates") is not None:
        yield from _pairs_of_candidates(fields, place)
    else:
        raise InvalidInputError(
            f"{place}: neither 'passage' nor 'candidates'; give one of the two, with 'label' or "
            "'relevant'"
        )


def _pair(fields: Mapping[str, Any], place: str) -> LabelledPair:
    try:
        query = checked_query(fields.get("query"))
    except InvalidInputError as error:
        raise InvalidInputError(f"{place}: 'query': {error}") from error
    passage, label = fields["passage"], fields.get("label")
    if not isinstance(passage, str):
        raise InvalidInputError(f"{place}: 'passage' is {passage!r:.80}; give a string")
    if isinstance(label, bool) or label not in (0, 1):
        raise InvalidInputError(f"{place}: 'label' is {label!r:.80}; give 1 (relevant) or 0")
    return LabelledPair(query, without_lone_surrogates(passage), bool(label))


def _pairs_of_candidates(fields: Mapping[str, Any], place: str) -> Iterator[LabelledPair]:
    """Read the line as an evaluation does; here a query without a relevant passage tells something."""
    labelled = parse_labelled(fields, place, needs_relevant=False)
    _check_places(fields["candidates"], labelled.relevant, place)
    query = checked_query(labelled.query)
    for id_, text in labelled.candidates or ():
        relevant = labelled.relevant.get(id_, 0) > 0
        yield LabelledPair(query, without_lone_surrogates(text), relevant)


def _check_places(candidates: Sequence[Any], relevant: Iterable[str], place: str) -> None:
    """Refuse what is no place of a text; an id may be one that the first stage missed."""
    if not all(isinstance(candidate, str) for candidate in candidates or [None]):
        return
    known = {str(index) for index in range(len(candidates))}
    for id_ in relevant:
        if id_ not in known:
            raise InvalidInputError(
                f"{place}: 'relevant' has {id_!r:.80}, and there are {len(candidates)} texts without "
                "ids; give their places, from 0 on"
            )
