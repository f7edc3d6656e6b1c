"""The measures of the demo."""

from bge_rerank.cli.demo.measure import mean_quality


def test_a_question_without_a_ranking_counts_as_0_in_the_mean() -> None:
    judgements = {"q": {"a": 2}, "r": {"a": 2}}
    assert mean_quality(judgements, {"q": ["a"]}) == {"nDCG@10": 0.5, "MRR@10": 0.5}
