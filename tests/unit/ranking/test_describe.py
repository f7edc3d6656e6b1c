"""The settings beside the numbers name the scorer, not its wrappers."""

from bge_rerank import Reranker, load_scorer
from bge_rerank.ranking.describe import describe_reranker
from counted_scorer import Counted
from wrapped import every_order


def test_a_wrapped_model_is_described_as_itself() -> None:
    lazy = load_scorer("mini", "torch", revision="v1", dtype="float32")
    for scorer in (lazy, lazy.loaded()):
        expected = describe_reranker(Reranker(lazy, prefilter=lazy))
        assert expected["scorer"]["model_name"] == "mini"
        for wrapped in every_order(scorer):
            assert describe_reranker(Reranker(wrapped, prefilter=wrapped)) == expected


def test_a_wrapped_custom_scorer_is_described_by_its_class() -> None:
    *ours, _ = every_order(Counted())
    for wrapped in (Counted(), *ours):
        described = describe_reranker(Reranker(wrapped))["scorer"]
        assert described == {"class": "counted_scorer.Counted"}
