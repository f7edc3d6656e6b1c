"""Results by depth: equal to reranking at each depth, without scoring again."""

from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bge_rerank import ConfigurationError, Reranker
from bge_rerank.backends.bm25 import Bm25Scorer
from bge_rerank.evaluation import LabelledQuery, evaluate
from bge_rerank.evaluation.measures import measure_rankings
from bge_rerank.scoring.cache import CachedScorer, MemoryCache
from bge_rerank.types import Scorer
from counted_scorer import Counted
from labelled_queries import Told, labelled_queries
from measured_depths import DEPTHS, evaluated


def reranked_anew(query: LabelledQuery, scorer: Scorer, depth: int) -> list[str]:
    """Rerank only the first candidates, and append the others."""
    candidates = query.candidates or []
    texts = [text for _, text in candidates[:depth]]
    first = [ranked.index for ranked in Reranker(scorer, top_n=None).rerank(query.query, texts)]
    return [candidates[place][0] for place in [*first, *range(len(first), len(candidates))]]


def test_results_by_depth_equal_reranking_at_each_depth() -> None:
    models = {"told": Told(), "longest": Counted()}
    found = evaluate(labelled_queries(60), models, depth=6, depths=DEPTHS[:-1], k=3)
    assert found.models[0].depths[2].after != found.models[1].depths[2].after
    for model in found.models:
        assert tuple(point.depth for point in model.depths) == DEPTHS
        for point in model.depths:
            anew = [
                measure_rankings(
                    query.relevant, [reranked_anew(query, models[model.name], point.depth)], k=3
                )[0]
                for query in labelled_queries(60)
            ]
            assert point.after == pytest.approx(fmean(values["nDCG@3"] for values in anew))
            difference = point.after - model.changes[0].before
            assert point.low <= difference <= point.high


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 4), max_size=7), min_size=30, max_size=34),
    st.integers(1, 8),
    st.integers(1, 5),
)
def test_the_result_at_the_whole_depth_is_that_of_the_evaluation(
    lengths: list[list[int]], depth: int, k: int
) -> None:
    lengths[0] = [*lengths[0], 1]  # so that something is found
    queries = [
        LabelledQuery(
            str(number), "q", [(str(place), "x" * size) for place, size in enumerate(its)], {"0": 1}
        )
        for number, its in enumerate(lengths)
    ]
    given = {"depth": depth, "depths": range(1, depth), "k": k}
    [model] = evaluate(queries, {"longest": Counted()}, **given).models
    ndcg = model.changes[0]
    whole = model.depths[-1]
    assert (whole.depth, whole.latency) == (min(depth, max(map(len, lengths))), model.latency)
    assert (whole.after, whole.low, whole.high) == (ndcg.after, ndcg.low, ndcg.high)
    if whole is not model.depths[0]:
        assert model.depths[0].after == pytest.approx(ndcg.before)  # one candidate cannot move


def test_depths_beyond_the_candidates_are_left_out() -> None:
    found = evaluated(depth=50, depths=None)
    [told] = found.models
    assert found.depth == 6
    assert [point.depth for point in told.depths] == [5, 6]
    assert told.verdict.reasons[-1].startswith("depth 6 is recommended")


def test_without_smaller_depths_only_the_whole_depth_has_results() -> None:
    scorer = Told()
    [told] = evaluated(scorer=scorer, depths=[]).models
    assert [point.depth for point in told.depths] == [6]
    assert told.recommended_depth == 6
    assert scorer.calls == 60 + 1


def test_depth_1_changes_nothing_and_is_not_recommended() -> None:
    [told] = evaluated(depth=1, depths=None).models
    [point] = told.depths
    assert (point.after, point.low, point.high) == (told.changes[0].before, 0.0, 0.0)
    assert told.recommended_depth is None
    assert told.verdict.decision == "do not rerank"


def test_a_depth_beyond_the_whole_one_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="depths has 7; give whole numbers from 1 to 6"):
        evaluated(depths=[7])


def test_fewer_than_30_queries_give_no_results_by_depth() -> None:
    [told] = evaluated(29).models
    assert (told.depths, told.recommended_depth) == ((), None)


def test_a_scorer_that_keeps_scores_has_no_latencies_by_depth() -> None:
    inner = Told()
    evaluation = evaluated(scorer=CachedScorer(inner, MemoryCache(), ["told"]))
    [told] = evaluation.models
    assert [point.latency for point in told.depths] == [None] * 4
    assert told.latency is not None
    assert told.recommended_depth is not None
    assert "the latency of told by depth was not measured" in evaluation.notes[0]
    assert inner.calls == 60 + 1  # no second ranking
    budgeted = evaluated(
        scorer=CachedScorer(Told(), MemoryCache(), ["told"]), latency_budget_ms=10_000
    )
    assert budgeted.models[0].recommended_depth is None
    assert budgeted.models[0].verdict.decision == "rerank"


@pytest.mark.parametrize(
    ("reranker", "why"),
    [
        (Reranker(Told(), top_n=6), "told has no results by depth: its top_n may leave"),
        (Reranker(Told(), None, prefilter="bm25", keep=3), "its prefilter may leave"),
        (Reranker(Bm25Scorer(), None), "its scorer compares the candidates"),
    ],
)
def test_a_note_says_why_a_reranker_has_no_results_by_depth(reranker: Reranker, why: str) -> None:
    evaluation = evaluated(scorer=reranker)
    [told] = evaluation.models
    assert (told.depths, told.recommended_depth) == ((), None)
    assert told.latency is not None
    [note] = evaluation.notes
    assert why in note
