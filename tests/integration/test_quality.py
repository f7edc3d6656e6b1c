"""Reranking with `mini` raises nDCG@10: on the demo's collection, and on real labelled questions."""

from pathlib import Path

import bm25s
import pytest

from beir import read_beir
from bge_rerank import Reranker, load_scorer
from bge_rerank.demo.collection import demo_collection
from bge_rerank.demo.measure import mean_quality, ndcg_by_question

DEPTH = 20


def first_stage(texts: dict[str, str], questions: dict[str, str]) -> dict[str, list[str]]:
    """Return the first `DEPTH` passages of BM25 for each question, best first."""
    ids = list(texts)
    retriever = bm25s.BM25()
    retriever.index(bm25s.tokenize(list(texts.values()), show_progress=False), show_progress=False)
    queries = bm25s.tokenize(list(questions.values()), show_progress=False)
    found, _ = retriever.retrieve(queries, k=DEPTH, show_progress=False)
    return {
        question: [ids[row] for row in rows]
        for question, rows in zip(questions, found, strict=True)
    }


def reranked(
    texts: dict[str, str], questions: dict[str, str], found: dict[str, list[str]]
) -> dict[str, list[str]]:
    requests = [
        (questions[question], [texts[id_] for id_ in ids]) for question, ids in found.items()
    ]
    reranker = Reranker(load_scorer("mini", max_length=256), top_n=None)
    rankings = reranker.rerank_many(requests)
    return {
        question: [found[question][ranked.index] for ranked in ranking]
        for question, ranking in zip(found, rankings, strict=True)
    }


def test_it_helps_on_the_demo_collection() -> None:
    collection = demo_collection()
    texts = {passage.id: passage.text for passage in collection.passages}
    found = first_stage(texts, collection.questions)
    before = mean_quality(collection.judgements, found)
    after = mean_quality(collection.judgements, reranked(texts, collection.questions, found))
    assert after["nDCG@10"] > before["nDCG@10"] + 0.02
    assert after["MRR@10"] > before["MRR@10"] + 0.02


@pytest.mark.parametrize("every", [30, pytest.param(1, marks=pytest.mark.long)])
def test_it_helps_on_natural_questions(labelled_data: Path, every: int) -> None:
    texts, questions, judgements = read_beir(labelled_data / "nq_qed", "dev")
    questions = {id_: questions[id_] for id_ in sorted(judgements)[::every]}
    judged = {id_: judgements[id_] for id_ in questions}
    found = first_stage(texts, questions)
    before = mean_quality(judged, found)["nDCG@10"]
    after = mean_quality(judged, reranked(texts, questions, found))["nDCG@10"]
    assert after > before + 0.02


def test_quality_is_what_ir_measures_says_for_a_ranking_known_by_hand() -> None:
    judgements = {"q": {"a": 2, "b": 0, "c": 1}}
    rankings = {"q": ["b", "a", "c"]}
    # DCG = 2 / log2(3) + 1 / log2(4); the ideal is 2 / log2(2) + 1 / log2(3).
    assert ndcg_by_question(judgements, rankings)["q"] == pytest.approx(0.6697, abs=1e-4)
    assert mean_quality(judgements, rankings)["MRR@10"] == 0.5
