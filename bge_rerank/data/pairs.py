"""Read pairs of a query and a passage from JSONL, with or without labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bge_rerank.data.jsonl import parse_labelled, read_objects
from bge_rerank.errors import InvalidInputError
from bge_rerank.inputs import without_lone_surrogates
from bge_rerank.types import Pair

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """A query, a passage, and whether a person judged the passage relevant."""

    query: str
    passage: str
    relevant: bool

    @property
    def pair(self) -> Pair:
        """The pair as scorers take it."""
        return self.query, self.passage


def read_labelled_pairs(path: Path) -> list[LabelledPair]:
    """Read labelled pairs from JSONL.

    Each line is an object in one of two forms:

    - `{"query": "...", "passage": "...", "label": 1}`: the label is 1 (relevant) or 0.
    - `{"query": "...", "candidates": [...], "relevant": [...]}`, as for `read_jsonl`: a grade from 1
      on means relevant. The reader skips ids that are not among the candidates.

    Raises:
        InvalidInputError: The file cannot be read or has no pairs, or a line has neither form. The
            message names the line and the field.
    """
    pairs = [pair for place, fields in read_objects(path) for pair in parse_pairs(fields, place)]
    return _some(pairs, path)


def read_pairs(path: Path) -> list[Pair]:
    """Read pairs from JSONL, and ignore labels.

    Each line is an object with `query` and `passage`, or with `query` and `candidates`.

    Raises:
        InvalidInputError: The file cannot be read or has no pairs, or a field is missing or wrong.
            The message names the line and the field.
    """
    pairs = [pair for place, fields in read_objects(path) for pair in _unlabelled(fields, place)]
    return _some(pairs, path)


def parse_pairs(fields: Mapping[str, Any], place: str) -> Iterator[LabelledPair]:
    """Yield the pairs of a line's object, in order.

    Raises:
        InvalidInputError: The object has neither form. The message starts with `place`.

    >>> list(parse_pairs({"query": "tides", "candidates": ["a", "b"], "relevant": [1]}, "x:1"))
    [LabelledPair(query='tides', passage='a', relevant=False), LabelledPair(query='tides', passage='b', relevant=True)]
    >>> list(parse_pairs({"query": "tides", "passage": "a", "label": "yes"}, "data.jsonl:7"))
    Traceback (most recent call last):
    bge_rerank.errors.InvalidInputError: data.jsonl:7: 'label' is 'yes'; give 1 (relevant) or 0
    """
    from bge_rerank.data.records import LabelledPairRecord, parse

    if _is_pair(fields):
        record = parse(LabelledPairRecord, fields, place)
        passage = without_lone_surrogates(record.passage)
        yield LabelledPair(record.query, passage, record.label)
    elif _has_candidates(fields):
        yield from _pairs_of_candidates(fields, place)
    else:
        raise InvalidInputError(
            f"{place}: has neither 'passage' nor 'candidates'; give 'passage' with 'label', or "
            "'candidates' with 'relevant'"
        )


def _unlabelled(fields: Mapping[str, Any], place: str) -> Iterator[Pair]:
    """Yield the pairs of a line's object, in order."""
    from bge_rerank.data.records import CandidatesRecord, PairRecord, parse

    if _has_candidates(fields) and not _is_pair(fields):
        query = parse(CandidatesRecord, fields, place)
        for candidate in query.candidates:
            yield query.query, without_lone_surrogates(candidate.passage)
    else:
        pair = parse(PairRecord, fields, place)
        yield pair.query, without_lone_surrogates(pair.passage)


def _has_candidates(fields: Mapping[str, Any]) -> bool:
    return fields.get("candidates") is not None


def _is_pair(fields: Mapping[str, Any]) -> bool:
    return "passage" in fields or ("text" in fields and not _has_candidates(fields))


def _pairs_of_candidates(fields: Mapping[str, Any], place: str) -> Iterator[LabelledPair]:
    """Read the line as for an evaluation."""
    labelled = parse_labelled(fields, place)
    _check_positions(fields["candidates"], labelled.relevant, place)
    for id_, passage in labelled.candidates or ():
        relevant = labelled.relevant.get(id_, 0) > 0
        yield LabelledPair(labelled.query, without_lone_surrogates(passage), relevant)


def _check_positions(candidates: Sequence[Any], relevant: Iterable[str], place: str) -> None:
    """Refuse positions out of range. An unknown id is allowed: the first stage may have missed it."""
    if not all(isinstance(candidate, str) for candidate in candidates or [None]):
        return
    known = {str(index) for index in range(len(candidates))}
    for id_ in relevant:
        if id_ not in known:
            raise InvalidInputError(
                f"{place}: 'relevant' has {id_!r:.80}, but the passages have no ids; give positions "
                f"from 0 to {len(candidates) - 1}"
            )


def _some(pairs: list[T], path: Path) -> list[T]:
    if not pairs:
        raise InvalidInputError(f"{str(path)!r} has no pairs; write one JSON object per line")
    return pairs
