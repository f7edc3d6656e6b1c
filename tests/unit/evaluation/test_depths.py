"""The depths to compare, and the order of the candidates at each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bge_rerank import ConfigurationError, Reranker, load_scorer
from bge_rerank.backends.bm25 import Bm25Scorer
from bge_rerank.evaluation.depths import (
    checked_depths,
    default_depths,
    keeps_scores,
    order_at,
    plan_depths,
    why_no_curve,
)
from bge_rerank.scoring.cache import CachedScorer, MemoryCache
from bge_rerank.scoring.gathering import GatheringScorer
from counted_scorer import Counted
from wrapped import every_order

logits = st.lists(st.integers(-3, 3).map(float), max_size=30)


class Given:
    """Returns the number in the text as the logit."""

    def score(self, pairs: list[tuple[str, str]], /) -> list[float]:
        return [float(text) for _, text in pairs]


@given(logits, st.integers(0, 35))
def test_the_order_at_a_depth_is_that_of_reranking_its_candidates(
    values: list[float], depth: int
) -> None:
    texts = list(map(str, values))
    reranker = Reranker(Given(), top_n=None)
    whole = [ranked.index for ranked in reranker.rerank("q", texts)]
    first = [ranked.index for ranked in reranker.rerank("q", texts[:depth])]
    assert order_at(depth, whole) == [*first, *range(len(first), len(texts))]


@given(logits)
def test_depths_0_and_1_keep_the_order_and_the_whole_depth_reranks_it(
    values: list[float],
) -> None:
    whole = sorted(range(len(values)), key=lambda place: -values[place])
    assert order_at(0, whole) == order_at(1, whole) == list(range(len(values)))
    assert order_at(len(values), whole) == whole


@given(st.integers(1, 5_000))
def test_the_default_depths_ascend_to_the_whole_depth(whole: int) -> None:
    depths = default_depths(whole)
    assert depths == checked_depths(depths, whole)
    assert depths[-1] == whole
    assert set(depths[:-1]) <= {5, 10, 20, 50, 100, 200, 500, 1_000, 2_000}


def test_a_depth_of_1_has_no_smaller_depths() -> None:
    assert default_depths(1) == checked_depths([], 1) == checked_depths([1, 1], 1) == (1,)


@pytest.mark.parametrize("depth", [0, -1, 51, 2.0, True, "5"])
def test_an_impossible_depth_is_refused_by_its_value(depth: int) -> None:
    with pytest.raises(ConfigurationError, match=f"depths has {depth!r}; .* from 1 to 50"):
        checked_depths([10, depth], 50)


@pytest.mark.parametrize(
    ("reranker", "why"),
    [
        (Reranker(Counted(), top_n=None), None),
        (Reranker(Counted(), top_n=None, long_documents="window"), None),
        (Reranker(Counted()), "top_n may"),
        (Reranker(Counted(), 3, 0.5), "top_n, score_threshold may"),
        (Reranker(Counted(), None, prefilter="bm25", keep=10), "prefilter may"),
        (Reranker(Counted(), None, latency_budget_ms=50), "latency_budget_ms may"),
        (Reranker(Counted(), None, rrf_k=60), "rrf_k fuses"),
        (Reranker(Bm25Scorer(), top_n=None), "compares the candidates"),
        (Reranker(GatheringScorer(Bm25Scorer()), top_n=None), "compares the candidates"),
    ],
)
def test_options_that_leave_candidates_out_allow_no_smaller_depths(
    reranker: Reranker, why: str | None
) -> None:
    found = why_no_curve(reranker)
    assert found is None if why is None else why in str(found)
    plan = plan_depths({"m": reranker}, None, 20)
    assert plan.smaller == (5, 10)
    assert list(plan.without_curve) == (["m"] if why else [])


def test_a_scorer_that_keeps_scores_is_recognised() -> None:
    assert keeps_scores(CachedScorer(Counted(), MemoryCache(), ["counted"]))
    assert all(map(keeps_scores, every_order(Counted())))
    assert keeps_scores(load_scorer("mini", score_cache="scores"))
    assert keeps_scores(GatheringScorer(load_scorer("mini", score_cache="scores")))
    assert not keeps_scores(GatheringScorer(load_scorer("mini")))
    assert not keeps_scores(Counted())
