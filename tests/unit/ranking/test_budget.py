"""A latency budget limits how many candidates are scored. The others are reported as unscored."""

import copy
import math
import pickle
from statistics import quantiles
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bge_rerank import ConfigurationError, Reranker
from bge_rerank.ranking.budget import (
    FIRST_CANDIDATES,
    MeasuredRate,
    affordable_pieces,
    characters,
)
from bge_rerank.ranking.pieces import Piece
from counted_scorer import Counted

TEXTS = [f"passage {number}" for number in range(100)]


def measured(*seconds_a_character: float) -> MeasuredRate:
    rate = MeasuredRate()
    rate.note(1, 60.0)
    for seconds in seconds_a_character:
        rate.note(1_000, 1_000 * seconds)
    return rate


def pieces_of(*lengths: int) -> list[Piece]:
    return [Piece(place, ("q", "a" * length), None) for place, length in enumerate(lengths)]


def with_rate(rate: MeasuredRate | None, scorer: Counted, **options: Any) -> Reranker:
    reranker = Reranker(scorer, **options)
    if rate is not None:
        reranker._rate = rate
    return reranker


def budgeted(
    scorer: Counted, milliseconds: float = 200, rate: MeasuredRate | None = None, **options: Any
) -> Reranker:
    return with_rate(rate, scorer, latency_budget_ms=milliseconds, **options)


@given(
    st.lists(st.integers(0, 3_000), max_size=60),
    st.floats(1e-7, 1e-3),
    st.floats(1e-3, 10),
    st.integers(1, 20),
)
def test_as_many_candidates_are_scored_as_fit_and_never_fewer_than_the_least(
    lengths: list[int], seconds_a_character: float, seconds: float, least: int
) -> None:
    pieces = pieces_of(*lengths)
    rate = measured(seconds_a_character)
    count = len(affordable_pieces(pieces, seconds, rate, least=least, max_length=512))
    assert count >= min(least, len(pieces))
    slow = rate.seconds_a_character
    assert slow is not None
    if count > least:
        assert slow * characters(pieces[:count], 512) <= seconds
    if count < len(pieces):
        assert slow * characters(pieces[: count + 1], 512) > seconds


def test_the_rate_is_that_of_a_slow_call_and_old_calls_are_forgotten() -> None:
    assert measured(*([1.0] * 19), 5.0, 5.0, 5.0).seconds_a_character == 5.0
    assert measured(5.0, 5.0, 5.0, *([1.0] * 40)).seconds_a_character == 1.0
    assert measured(*([1.0] * 20), 5.0).seconds_a_character == 1.0


def test_windows_of_a_text_are_scored_together_or_not_at_all() -> None:
    pieces = [Piece(place, ("q", "a" * 450), (0, 450)) for place in (0, 0, 1, 1, 2, 2)]
    rate = measured(0.001)
    scored = affordable_pieces(pieces, 2.5, rate, least=1, max_length=None)
    assert [piece.place for piece in scored] == [0, 0, 1, 1]


def test_without_timings_ten_candidates_are_scored() -> None:
    scorer = Counted()
    ranking = budgeted(scorer).rerank("q", TEXTS)
    assert len(scorer.passes[0]) == FIRST_CANDIDATES
    assert ranking.unscored == list(range(FIRST_CANDIDATES, 100))


def test_never_fewer_than_top_n_candidates_are_scored() -> None:
    scorer = Counted()
    ranking = budgeted(scorer, 1e-6, top_n=7, rate=measured(1.0)).rerank("q", TEXTS)
    assert len(scorer.passes[0]) == len(ranking) == 7


def test_without_a_budget_everything_is_scored() -> None:
    scorer = Counted()
    assert with_rate(measured(1.0), scorer).rerank("q", TEXTS).unscored == []
    assert len(scorer.passes[0]) == 100


async def test_async_keeps_the_budget_as_sync_does() -> None:
    rate = measured(1e-4)
    synced = budgeted(Counted(), rate=copy.deepcopy(rate)).rerank("q", TEXTS)
    awaited = await budgeted(Counted(), rate=copy.deepcopy(rate)).arerank("q", TEXTS)
    assert len(awaited.unscored) == pytest.approx(len(synced.unscored), abs=20)
    assert 0 < len(awaited.unscored) < 99


class Clock:
    """A clock that a scorer advances: the time of a call depends on its characters."""

    def __init__(self, seconds_a_character: float) -> None:
        self.seconds_a_character = seconds_a_character
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def score_of(self, passage: str) -> float:
        self.now += self.seconds_a_character * (len(passage) + 60)
        return 0.0


@pytest.mark.parametrize("seconds_a_character", [1e-6, 3e-6, 1e-5])
def test_after_ten_calls_the_budget_is_met_and_used(
    monkeypatch: pytest.MonkeyPatch, seconds_a_character: float
) -> None:
    clock = Clock(seconds_a_character)
    monkeypatch.setattr("bge_rerank.ranking.reranker.perf_counter", clock)
    reranker = budgeted(Counted(clock.score_of), top_n=1)
    taken = []
    for call in range(60):
        texts = ["a" * (50 + 613 * (call + place) % 2_000) for place in range(400)]
        before = clock.now
        unscored = reranker.rerank(f"query {call}", texts).unscored
        taken.append((clock.now - before, bool(unscored)))
        clock.seconds_a_character = seconds_a_character * (1 + 0.1 * math.sin(call))
    seconds = [second for second, _ in taken[10:]]
    assert quantiles(seconds, n=20)[-1] <= 0.2 * 1.15
    assert all(second >= 0.2 * 0.7 for second, was_cut in taken[10:] if was_cut)


@pytest.mark.parametrize("milliseconds", [0, -1, math.inf, math.nan])
def test_a_budget_that_is_not_above_zero_and_finite_is_refused(milliseconds: float) -> None:
    with pytest.raises(ConfigurationError, match=r"latency_budget_ms is"):
        budgeted(Counted(), milliseconds)


def test_timings_can_be_copied_and_pickled() -> None:
    rate = measured(0.5)
    for copied in (copy.deepcopy(rate), pickle.loads(pickle.dumps(rate))):
        assert copied.seconds_a_character == 0.5
