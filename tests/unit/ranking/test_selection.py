import pytest
from hypothesis import given
from hypothesis import strategies as st

from bge_rerank import ConfigurationError
from bge_rerank.logits import sigmoid
from bge_rerank.ranking.options import RankOptions
from bge_rerank.ranking.selection import select

finite = st.floats(allow_nan=False, allow_infinity=False)
logits = st.lists(finite, max_size=30)
ALL = RankOptions(top_n=None)


@given(logits)
def test_everything_is_kept_once_without_limits(values: list[float]) -> None:
    assert sorted(ranked.index for ranked in select(values, ALL)) == list(range(len(values)))


@given(logits)
def test_order_is_by_logit_then_by_input(values: list[float]) -> None:
    keys = [(-ranked.logit, ranked.index) for ranked in select(values, ALL)]
    assert keys == sorted(keys)


@given(logits)
def test_scores_are_the_sigmoids_of_their_own_logits(values: list[float]) -> None:
    for ranked in select(values, ALL):
        assert ranked.logit == values[ranked.index]
        assert ranked.score == sigmoid(ranked.logit)


@given(logits, st.integers(1, 40), st.floats(0, 1))
def test_the_threshold_applies_before_top_n(
    values: list[float], top_n: int, threshold: float
) -> None:
    kept = [ranked for ranked in select(values, ALL) if ranked.score >= threshold]
    limits = RankOptions(top_n=top_n, score_threshold=threshold)
    assert select(values, limits) == kept[:top_n]


@pytest.mark.parametrize("top_n", [0, -3, 2.0, True, "3", float("nan")])
def test_top_n_must_be_a_whole_number_of_1_or_more(top_n: object) -> None:
    with pytest.raises(ConfigurationError, match="top_n is"):
        RankOptions(top_n=top_n)  # type: ignore[arg-type]


@pytest.mark.parametrize("threshold", [float("nan"), -0.1, 1.1, float("inf")])
def test_a_threshold_outside_0_to_1_is_refused(threshold: float) -> None:
    with pytest.raises(ConfigurationError, match="score_threshold is"):
        RankOptions(score_threshold=threshold)


@pytest.mark.parametrize("threshold", [0, 0.0, 1, 1.0, None])
def test_the_thresholds_0_and_1_are_allowed(threshold: float | None) -> None:
    assert RankOptions(score_threshold=threshold).score_threshold == threshold
