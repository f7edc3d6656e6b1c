"""The demo's measures."""

from bge_rerank.cli.demo.measure import mean_quality


def test_the_demos_mean_counts_an_unranked_question_as_0() -> None:
    judgements = {"q": {"a": 2}, "r": {"a": 2}}
    assert mean_quality(judgements, {"q": ["a"]}) == {"nDCG@10": 0.5, "MRR@10": 0.5}
