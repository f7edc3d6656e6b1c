"""`min_retrieval_score` leaves out candidates below it, and a missing score is an error."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bge_rerank import ConfigurationError, InvalidInputError, Ranked, Ranking
from bge_rerank.adapters.options import AdapterOptions
from bge_rerank.adapters.retrieval_guard import among_all, places_from

scores = st.lists(st.floats(allow_nan=False) | st.integers(-5, 5), max_size=20)


@given(scores, st.floats(-5, 5))
def test_candidates_that_reach_the_minimum_are_kept_in_their_order(
    scores: list[float], minimum: float
) -> None:
    places = places_from(minimum, scores, "score")
    assert places == sorted(places)
    assert all(scores[place] >= minimum for place in places)
    assert all(scores[place] < minimum for place in set(range(len(scores))) - {*places})


def test_scores_may_have_any_scale() -> None:
    assert places_from(-30.0, [-20, -30, -40.5], "score") == [0, 1]
    assert places_from(12.5, [31.2, 12.5, 9], "score") == [0, 1]


def test_numpy_scores_are_numbers() -> None:
    assert places_from(0.5, [np.float32(0.75), np.float64(0.25), np.int64(1)], "score") == [0, 2]


@pytest.mark.parametrize(
    "score", [None, float("nan"), np.float32("nan"), "0.9", True, [0.9], Decimal(1)]
)
def test_an_invalid_score_is_refused_with_its_candidate(score: Any) -> None:
    with pytest.raises(
        InvalidInputError, match=r"candidate 2 of 0\.\.3 has .* as its metadata"
    ) as caught:
        places_from(0.5, [0.9, 0.1, score, 0.7], "metadata['retrieval_score']")
    assert "min_retrieval_score=0.5 needs a number; pass a score" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("minimum", [float("nan"), float("inf"), float("-inf"), "0.5"])
def test_a_minimum_that_is_not_a_finite_number_is_refused(minimum: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"min_retrieval_score is {minimum!r}; pass"):
        AdapterOptions(min_retrieval_score=minimum)


@given(st.lists(st.integers(0, 30), unique=True).map(sorted), st.data())
def test_a_ranking_of_some_texts_counts_positions_among_all_texts(
    places: list[int], data: st.DataObject
) -> None:
    texts = [f"text {place}" for place in range(31)]
    scored = data.draw(st.integers(0, len(places)))
    chosen = [texts[place] for place in places]
    indices = data.draw(st.permutations(range(scored)))
    ranking = Ranking(
        [Ranked(i, 0.5, 0.0) for i in indices], "q", chosen, range(scored, len(places))
    )
    moved = among_all(ranking, texts, places)
    assert [moved.texts[ranked.index] for ranked in moved] == [chosen[i] for i in indices]
    assert [moved.texts[place] for place in moved.unscored] == chosen[scored:]
    assert (moved.query, moved.texts) == ("q", texts)
    assert [ranked.index for ranked in ranking] == [*indices]
