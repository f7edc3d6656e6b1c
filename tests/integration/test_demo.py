"""The demo: its collection, and its output."""

import re
from collections import Counter

import pytest

from bge_rerank import ModelLoadError
from bge_rerank.data.demo import demo_collection


def test_the_collection_has_unique_ids_and_judges_each_question() -> None:
    collection = demo_collection()
    ids = [passage.id for passage in collection.passages]
    assert len(set(ids)) == len(ids) == 204
    assert len(collection.questions) == 60
    assert set(collection.judgements) == set(collection.questions)
    assert set().union(*collection.judgements.values()) <= set(ids)


def test_each_question_has_an_answer_and_near_misses_on_its_subject() -> None:
    for question, judgements in demo_collection().judgements.items():
        grades = Counter(judgements.values())
        assert grades[2] >= 1, question
        assert grades[0] >= 3, question
        assert {passage.split("-")[0] for passage in judgements} == {question.split("-")[0]}


def test_passages_are_as_long_as_chunks() -> None:
    assert all(45 <= len(passage.text.split()) <= 110 for passage in demo_collection().passages)


@pytest.mark.long
def test_the_demo_shows_the_same_gain_in_both_frameworks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from bge_rerank.cli.demo.run import run_demo

    run_demo("mini", show=3)
    printed = capsys.readouterr().out
    rows = [re.findall(r"\b[01]\.\d{3}\b", line) for line in printed.splitlines()]
    first_stage, langchain, llamaindex = (row for row in rows if len(row) == 2)
    assert langchain == llamaindex
    assert float(langchain[0]) > float(first_stage[0]) + 0.1


def test_a_model_that_cannot_be_loaded_stops_the_demo_first() -> None:
    # It takes seconds to import, and the quick run does not need it.
    from bge_rerank.cli.demo.run import run_demo

    with pytest.raises(ModelLoadError, match="the hub was not reached"):
        run_demo("BAAI/bge-reranker-v2-m3", show=3)
