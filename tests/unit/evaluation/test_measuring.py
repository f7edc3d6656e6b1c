"""A query through the first stage and the rerankers: its candidates, and its latencies by depth."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bge_rerank import InvalidInputError, RetrievalError
from bge_rerank.evaluation import LabelledQuery, evaluate
from bge_rerank.evaluation.measuring import is_timed
from counted_scorer import Counted
from evaluations import without_times
from labelled_queries import Told, labelled_queries
from measured_depths import evaluated, lines_of


def without_candidates(count: int) -> Iterator[LabelledQuery]:
    return (replace(query, candidates=None) for query in labelled_queries(count))


def test_a_retriever_finds_the_candidates() -> None:
    found = {query.query: query.candidates or [] for query in labelled_queries(40)}
    asked = evaluate(without_candidates(40), {"told": Told()}, retriever=found.__getitem__)
    given = evaluate(labelled_queries(40), {"told": Told()})
    assert without_times(asked) == without_times(given)


def test_without_a_retriever_each_query_needs_candidates() -> None:
    with pytest.raises(InvalidInputError, match="query 'q0' has no candidates"):
        evaluate(without_candidates(1), {"told": Told()})


def test_a_retriever_that_fails_is_reported_with_its_query_and_earlier_queries_are_kept(
    tmp_path: Path,
) -> None:
    found = {query.query: query.candidates or [] for query in labelled_queries(140)}
    asked: list[str] = []

    def retriever(query: str) -> Any:
        asked.append(query)
        if query == "question 100" and len(asked) == 101:
            raise TimeoutError("no answer within 30 s")
        return found[query]

    with pytest.raises(RetrievalError, match=r"query 'q100' \('question 100'\): TimeoutError: no"):
        evaluate(without_candidates(140), {"told": Told()}, retriever=retriever, output=tmp_path)
    assert len(lines_of(tmp_path)) == 101
    evaluate(without_candidates(140), {"told": Told()}, retriever=retriever, output=tmp_path)
    assert asked[101:] == [f"question {number}" for number in range(100, 140)]


@pytest.mark.parametrize("found", [None, ["text"], [("a", "one"), ("a", "two")], [("a", None)]])
def test_a_retriever_that_returns_no_valid_passages_is_refused(found: Any) -> None:
    with pytest.raises(RetrievalError, match="query 'q0'"):
        evaluate(without_candidates(1), {"told": Told()}, retriever=lambda _query: found)


class Sized(Counted):
    """Notes the number of passages of each call."""

    @property
    def sizes(self) -> list[int]:
        return list(map(len, self.passes))


def test_some_queries_are_ranked_at_each_depth_to_measure_latency(tmp_path: Path) -> None:
    scorer = Sized()
    [model] = evaluated(45, scorer, output=tmp_path).models
    warming, *sizes = scorer.sizes
    assert warming == 1
    assert sizes[:8] == [6, 1, 2, 4, 6, 1, 2, 4]
    assert sizes.count(1) == sizes.count(4) == sum(map(is_timed, range(45))) == 20 + 3
    timed = [
        number
        for number, record in enumerate(lines_of(tmp_path)[1:])
        if record["depth_milliseconds"]
    ]
    assert timed == list(filter(is_timed, range(45)))
    assert all(point.latency for point in model.depths)


def test_a_query_with_fewer_candidates_is_not_ranked_again(tmp_path: Path) -> None:
    scorer = Sized()
    evaluated(1, scorer, depth=50, depths=[5, 20], output=tmp_path)
    assert scorer.sizes == [1, 6, 5]
    [record] = lines_of(tmp_path)[1:]
    at_5, at_20 = record["depth_milliseconds"]["told"]
    assert at_20 == record["milliseconds"]["told"] != at_5
