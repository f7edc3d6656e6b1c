"""Reciprocal rank fusion: its formula, its order, and how it works with other options."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bge_rerank import ConfigurationError, Ranked, Reranker
from bge_rerank.logits import sigmoid
from bge_rerank.ranking.fusion import fused_ranking, fused_score
from bge_rerank.ranking.options import RankOptions
from bge_rerank.ranking.selection import select
from calibrations import calibration
from counted_scorer import Counted

ranks = st.integers(1, 10_000)
constants = st.integers(1, 1_000)
logits = st.lists(st.floats(-30, 30), max_size=40)


def by_logit(order: Sequence[int]) -> list[Ranked]:
    """Return a ranking of the texts at these positions of the first stage."""
    return [Ranked(place, sigmoid(-rank), -float(rank)) for rank, place in enumerate(order)]


def fused_order(order: Sequence[int], k: int = 60) -> list[int]:
    return [ranked.index for ranked in fused_ranking(by_logit(order), k)]


@given(ranks, ranks, constants)
def test_the_score_is_the_sum_of_reciprocals_of_the_paper(first: int, second: int, k: int) -> None:
    assert fused_score(first, second, k) == float(Fraction(1, k + first) + Fraction(1, k + second))


@given(ranks, ranks, constants)
def test_the_score_falls_with_either_rank_and_both_have_the_same_weight(
    first: int, second: int, k: int
) -> None:
    score = fused_score(first, second, k)
    assert fused_score(first + 1, second, k) < score
    assert fused_score(first, second + 1, k) < score
    assert fused_score(second, first, k) == score


@given(st.permutations(range(30)), constants)
def test_every_text_is_ranked_once_and_the_highest_score_is_first(order: list[int], k: int) -> None:
    ranking = by_logit(order)
    fused = fused_ranking(ranking, k)
    assert {(r.index, r.score, r.logit) for r in fused} == {
        (r.index, r.score, r.logit) for r in ranking
    }
    assert sorted(ranked.index for ranked in fused) == list(range(30))
    scores = [ranked.fused or 0.0 for ranked in fused]
    assert scores == sorted(scores, reverse=True)
    for ranked in fused:
        assert ranked.fused == fused_score(ranked.index + 1, order.index(ranked.index) + 1, k)


@given(st.integers(0, 40), constants)
def test_two_equal_orders_are_kept(count: int, k: int) -> None:
    assert fused_order(range(count), k) == list(range(count))


@given(st.permutations(range(30)), constants)
def test_a_text_that_is_ahead_in_both_orders_stays_ahead(order: list[int], k: int) -> None:
    fused = fused_order(order, k)
    for ahead in range(30):
        for behind in range(ahead + 1, 30):
            if order.index(ahead) < order.index(behind):
                assert fused.index(ahead) < fused.index(behind)


@given(st.permutations(range(30)))
def test_with_a_large_constant_the_sum_of_the_ranks_decides(order: list[int]) -> None:
    sums = [place + order.index(place) for place in fused_order(order, k=10**6)]
    assert sums == sorted(sums)


def test_ties_are_in_the_rerankers_order() -> None:
    assert fused_order([1, 0]) == [1, 0]
    # The sums for the ranks 10 and 45, and 24 and 24, are equal: 1/70 + 1/105 = 1/84 + 1/84.
    order = [place for place in range(45) if place != 9]
    order.insert(44, 9)
    order.remove(23)
    order.insert(23, 23)
    fused = fused_ranking(by_logit(order), k=60)
    tied = [r.index for r in fused if r.fused == pytest.approx(1 / 42, rel=1e-12)]
    assert tied == [23, 9]
    assert len({r.fused for r in fused if r.index in (9, 23)}) == 1


@given(logits, st.floats(0, 1), st.integers(1, 10))
def test_thresholds_apply_to_the_score_and_top_n_to_the_fused_order(
    values: list[float], threshold: float, top_n: int
) -> None:
    everything = select(values, RankOptions(top_n=None, rrf_k=60))
    limits = RankOptions(top_n=top_n, score_threshold=threshold, rrf_k=60)
    kept = select(values, limits)
    assert kept == [ranked for ranked in everything if ranked.score >= threshold][:top_n]


def test_without_fusion_there_is_no_fused_score() -> None:
    assert [ranked.fused for ranked in Reranker(Counted()).rerank("q", ["a", "bb"])] == [None] * 2


def reranker(**options: Any) -> Reranker:
    return Reranker(Counted(), **{"top_n": None, "rrf_k": 60, **options})


TEXTS = ["a" * length for length in (2, 4, 1, 5, 3)]
"""The reranker orders them by length: 3, 1, 4, 0, 2. Texts 0 (ranks 1 and 4) and 3 (4 and 1) tie."""


def test_a_reranker_orders_by_both_ranks_and_keeps_the_scores() -> None:
    ranking = reranker().rerank("q", TEXTS)
    assert [ranked.index for ranked in ranking] == [1, 3, 0, 4, 2]
    for ranked in ranking:
        assert ranked.logit == len(TEXTS[ranked.index])
        assert ranked.score == sigmoid(ranked.logit)


async def test_many_requests_and_async_requests_are_fused_like_a_single_one() -> None:
    fused = reranker(top_n=3)
    ranking = fused.rerank("q", TEXTS)
    assert fused.rerank_many([("q", TEXTS), ("r", []), ("q", TEXTS)]) == [ranking, [], ranking]
    assert await fused.arerank("q", TEXTS) == ranking


def test_ranks_count_only_texts_that_the_prefilter_kept() -> None:
    ranking = reranker(prefilter=Counted(lambda text: -len(text)), keep=3).rerank("q", TEXTS)
    # The prefilter keeps 0, 2 and 4. The reranker orders them 4, 0, 2.
    assert [(r.index, r.fused) for r in ranking] == [
        (0, fused_score(1, 2, 60)),
        (4, fused_score(3, 1, 60)),
        (2, fused_score(2, 3, 60)),
    ]


def test_a_long_text_has_one_rank_by_its_best_window() -> None:
    texts = ["word " * 900 + "needle", "needle", "word " * 900]
    scorer = Counted(lambda passage: float("needle" in passage) * len(passage))
    ranking = Reranker(scorer, top_n=None, rrf_k=60, long_documents="window").rerank("q", texts)
    assert [(r.index, r.fused) for r in ranking] == [
        (0, fused_score(1, 1, 60)),
        (1, fused_score(2, 2, 60)),
        (2, fused_score(3, 3, 60)),
    ]


def test_ranks_count_only_texts_that_the_budget_allows() -> None:
    texts = ["a" * length for length in range(1, 13)]
    ranking = reranker(latency_budget_ms=200).rerank("q", texts)
    assert ranking.unscored == [10, 11]
    assert {r.fused for r in ranking} == {fused_score(r, 11 - r, 60) for r in range(1, 11)}


def test_a_wanted_precision_applies_to_the_logit_and_not_to_the_fused_score() -> None:
    scorer = Counted(lambda text: {"a": 3.0, "b": 0.4, "c": 2.0}[text])
    fused = Reranker(scorer, top_n=None, rrf_k=60, calibration=calibration(), min_precision=0.9)
    ranking = fused.rerank("q", ["b", "a", "c"])
    assert [ranked.index for ranked in ranking] == [1, 2]
    assert [ranked.fused for ranked in ranking] == [fused_score(2, 1, 60), fused_score(3, 2, 60)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rrf_k": 0}, "rrf_k is 0; .*, or None for no fusion"),
        ({"rrf_k": 60.0}, "rrf_k is 60.0"),
        ({"rrf_k": True}, "rrf_k is True"),
    ],
)
def test_a_fusion_that_cannot_work_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        reranker(**options)
