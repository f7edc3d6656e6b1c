"""Lower confidence bounds on shares, over queries."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from bge_rerank.calibration.bounds import (
    clopper_pearson_lower,
    effective_count,
    lower_bound,
    precision_bound,
    recall_bound,
)


@given(st.integers(1, 500), st.data(), st.floats(0.5, 0.999))
def test_for_whole_counts_it_equals_the_exact_interval_of_scipy(
    count: int, data: st.DataObject, confidence: float
) -> None:
    hits = data.draw(st.integers(0, count))
    test = binomtest(hits, count, alternative="greater")
    expected = test.proportion_ci(confidence, method="exact").low
    assert clopper_pearson_lower(hits / count, count, confidence) == pytest.approx(expected)


outcomes_by_query = st.lists(st.lists(st.booleans(), min_size=1, max_size=6), min_size=1)


def flat(outcomes: list[list[bool]]) -> tuple[np.ndarray, np.ndarray]:
    return (
        np.array([outcome for its in outcomes for outcome in its]),
        np.array([query for query, its in enumerate(outcomes) for _ in its]),
    )


@given(outcomes_by_query)
def test_pairs_of_one_query_never_count_more_than_independent_pairs(
    outcomes: list[list[bool]],
) -> None:
    together, queries = flat(outcomes)
    count = effective_count(together, queries)
    assert 0.0 < count <= len(together)
    apart = np.arange(len(together))
    assert lower_bound(together, queries, 0.95) <= lower_bound(together, apart, 0.95) + 1e-12


@given(st.lists(st.booleans(), min_size=2, max_size=40), st.integers(2, 5))
def test_duplicates_of_a_pair_do_not_raise_the_effective_count(
    outcomes: list[bool], times: int
) -> None:
    together, queries = flat([[outcome] * times for outcome in outcomes])
    assert effective_count(together, queries) <= len(outcomes) + 1e-9


def test_a_query_with_many_wrong_pairs_lowers_the_effective_count() -> None:
    one_each = [[True]] * 89
    together, queries = flat([*one_each, [False] * 10])
    # Kish's count alone is 99**2 / (89 + 10**2), about 52.
    assert effective_count(together, queries) == pytest.approx(10.89, abs=0.01)


def test_precision_is_over_the_pairs_kept_and_recall_over_the_relevant_pairs() -> None:
    logits = np.array([3.0, 2.0, 1.0, 0.0])
    relevant = np.array([True, False, True, True])
    queries = np.arange(4)
    assert precision_bound(logits, relevant, queries, 2.0, 0.95) == pytest.approx(
        binomtest(1, 2, alternative="greater").proportion_ci(0.95).low
    )
    assert recall_bound(logits, relevant, queries, 1.0, 0.95) == pytest.approx(
        binomtest(2, 3, alternative="greater").proportion_ci(0.95).low
    )


def test_a_threshold_that_keeps_nothing_has_the_bound_0() -> None:
    nothing = precision_bound(np.array([0.0]), np.array([True]), np.array([0]), 1.0, 0.95)
    assert nothing == 0.0
