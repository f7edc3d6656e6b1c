"""A ranking has a tier per step, with the texts received and kept and the latency."""

import asyncio
import copy
import io
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bge_rerank import Ranked, Ranking, Reranker, Tier, load_scorer
from bge_rerank.backends.bm25 import Bm25Scorer
from bge_rerank.ranking.budget import FIRST_CANDIDATES
from bge_rerank.ranking.tiers import scorer_name
from bge_rerank.scoring.cache import CachedScorer, MemoryCache
from bge_rerank.scoring.gathering import GatheringScorer
from counted_scorer import Counted
from wrapped import every_order

TEXTS = [f"passage {'x' * number}" for number in range(30)]
TIERS = [Tier("bm25", 1_200, 50, 0.003), Tier("<m> [b]", 50, 5, 0.24)]


class Cheap(Counted):
    """A scorer of another class, so that its tier has another name."""


def counts(ranking: Ranking) -> list[tuple[str, int | None, int]]:
    return [(tier.name, tier.received, tier.kept) for tier in ranking.tiers]


def test_the_reranker_alone_is_one_tier() -> None:
    assert counts(Reranker(Counted(), top_n=3).rerank("q", TEXTS)) == [("Counted", 30, 3)]


def test_a_prefilter_is_a_tier_ahead_of_the_reranker() -> None:
    ranking = Reranker(Counted(), top_n=3, prefilter=Cheap(), keep=8).rerank("q", TEXTS)
    assert counts(ranking) == [("Cheap", 30, 8), ("Counted", 8, 3)]


def test_a_prefilter_keeps_all_texts_of_a_request_of_no_more_than_keep() -> None:
    cheap = Cheap()
    ranking = Reranker(Counted(), top_n=3, prefilter=cheap, keep=8).rerank("q", TEXTS[:5])
    assert counts(ranking) == [("Cheap", 5, 5), ("Counted", 5, 3)]
    assert cheap.passes == []


def test_without_texts_the_tiers_kept_nothing() -> None:
    ranking = Reranker(Counted(), prefilter="bm25").rerank("q", [])
    assert counts(ranking) == [("bm25", 0, 0), ("Counted", 0, 0)]


def test_a_threshold_keeps_fewer() -> None:
    scorer = Counted(lambda passage: 1.0 if passage in TEXTS[:2] else -1.0)
    ranking = Reranker(scorer, top_n=5, score_threshold=0.5).rerank("q", TEXTS)
    assert counts(ranking) == [("Counted", 30, 2)]


def test_texts_that_the_budget_left_unscored_do_not_count_as_received() -> None:
    reranker = Reranker(Counted(), prefilter=Cheap(), keep=20, latency_budget_ms=60_000, top_n=3)
    ranking = reranker.rerank("q", TEXTS)
    assert counts(ranking) == [("Cheap", 30, 20), ("Counted", FIRST_CANDIDATES, 3)]
    assert len(ranking.unscored) == 20 - FIRST_CANDIDATES


def test_tiers_count_texts_and_not_windows() -> None:
    scorer = Counted()
    ranking = Reranker(scorer, long_documents="window").rerank("q", ["word " * 2_000, "short"])
    assert counts(ranking) == [("Counted", 2, 2)]
    assert len(scorer.passes[0]) > 2


@given(
    st.lists(st.lists(st.sampled_from(TEXTS), max_size=9), min_size=1, max_size=4),
    st.integers(1, 4),
    st.integers(4, 6),
)
def test_tiers_of_many_requests_and_of_async_requests_equal_those_of_single_ones(
    requests: list[list[str]], top_n: int, keep: int
) -> None:
    reranker = Reranker(Counted(), top_n=top_n, prefilter=Cheap(), keep=keep)
    rankings = reranker.rerank_many(("q", texts) for texts in requests)
    for ranking, texts in zip(rankings, requests, strict=True):
        kept = min(keep, len(texts))
        expected = [("Cheap", len(texts), kept), ("Counted", kept, min(top_n, kept))]
        assert counts(ranking) == expected
        assert counts(reranker.rerank("q", texts)) == expected
        assert counts(asyncio.run(reranker.arerank("q", texts))) == expected


def test_many_requests_have_the_seconds_of_the_whole_call() -> None:
    reranker = Reranker(Counted(), prefilter=Cheap(), keep=3)
    one, other = reranker.rerank_many([("q", TEXTS), ("r", TEXTS[:2])])
    assert [tier.seconds for tier in one.tiers] == [tier.seconds for tier in other.tiers]
    assert all(tier.seconds >= 0 for tier in one.tiers)


class Clock:
    """A clock that scorers advance."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def scorer(self, kind: type[Counted], ticks: float) -> Counted:
        def score(passage: str) -> float:
            self.now += ticks
            return 0.0

        return kind(score)


def test_each_tier_has_the_time_of_its_own_scorer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("bge_rerank.ranking.reranker.perf_counter", clock)
    scorer, cheap = clock.scorer(Counted, 100), clock.scorer(Cheap, 1)
    reranker = Reranker(scorer, prefilter=cheap, keep=8)
    for ranking in (reranker.rerank("q", TEXTS), asyncio.run(reranker.arerank("q", TEXTS))):
        assert [tier.seconds for tier in ranking.tiers] == [30, 800]


def test_a_tier_has_the_name_of_its_model_without_loading_it(tmp_path: Path) -> None:
    lazy = load_scorer(str(tmp_path))
    assert scorer_name(lazy) == str(tmp_path)
    assert scorer_name(GatheringScorer(CachedScorer(lazy, MemoryCache(), []))) == str(tmp_path)
    assert scorer_name(load_scorer("mini", "torch").loaded()) == "mini"
    assert scorer_name(Bm25Scorer()) == "bm25"
    assert scorer_name(Counted()) == "Counted"


def test_a_wrapped_scorer_has_the_name_of_the_scorer_inside() -> None:
    *ours, _ = every_order(Counted())
    assert {scorer_name(wrapped) for wrapped in ours} == {"Counted"}
    lazy = load_scorer("mini", "torch")
    names = {scorer_name(wrapped) for own in (lazy, lazy.loaded()) for wrapped in every_order(own)}
    assert names == {"mini"}
    assert {scorer_name(wrapped) for wrapped in every_order(Bm25Scorer())} == {"bm25"}


def test_a_wrapped_scorer_ranks_and_filters_like_the_scorer_inside() -> None:
    texts = TEXTS[::-1]
    expected = Reranker(Counted(), top_n=3, prefilter=Cheap(), keep=8).rerank("q", texts)
    *ours, _ = zip(every_order(Counted()), every_order(Cheap()), strict=True)
    for wrapped, cheap in ours:
        reranker = Reranker(wrapped, top_n=3, prefilter=cheap, keep=8)
        for ranking in (reranker.rerank("q", texts), asyncio.run(reranker.arerank("q", texts))):
            assert ranking == expected
            assert counts(ranking) == counts(expected)


def test_a_scorer_of_your_own_may_name_its_model() -> None:
    class Named(Counted):
        model_name = "my-model"

    assert scorer_name(Named()) == "my-model"


def test_tiers_survive_copy_and_pickle_and_comparisons_ignore_them() -> None:
    ranking = Ranking([Ranked(0, 0.5, 0.0)], "q", ["a"], tiers=TIERS)
    for copied in (copy.deepcopy(ranking), pickle.loads(pickle.dumps(ranking))):
        assert copied.tiers == ranking.tiers
    assert ranking == Ranking([Ranked(0, 0.5, 0.0)], "q", ["a"])


def test_a_tier_ahead_does_not_change_the_ranking() -> None:
    ranking = Ranking([Ranked(0, 0.5, 0.0)], "q", ["a", "b"], [1], TIERS)
    found = Tier("retriever", None, 1_200, 1.5)
    after = ranking.after(found)
    assert (after, after.query, after.texts, after.unscored) == (ranking, "q", ["a", "b"], [1])
    assert after.tiers == (found, *TIERS)
    assert ranking.tiers == tuple(TIERS)


LINE = "bm25 kept 50 of 1200 in 3.0 ms → <m> [b] kept 5 of 50 in 240 ms"


def test_html_and_terminal_show_the_tiers_in_one_line() -> None:
    ranking = Ranking([Ranked(0, 0.5, 0.0)], "q", ["a wide text " * 10], tiers=TIERS)
    console = Console(file=io.StringIO(), width=120)
    console.print(ranking)
    assert LINE in console.file.getvalue()  # type: ignore[attr-defined]
    html = ranking._repr_html_()
    assert LINE.replace("<m>", "&lt;m&gt;") in html
    assert html.index("kept 5") < html.index("</caption>")


def test_a_ranking_without_tiers_shows_no_line() -> None:
    assert "<small" not in Ranking([], "q", [])._repr_html_()
