"""The measures, compared with trec_eval."""

import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from bge_rerank.evaluation.measures import measure_names, measure_rankings

ids = st.lists(st.integers(0, 30).map(str), unique=True, max_size=25)
grades = st.dictionaries(st.integers(0, 40).map(str), st.integers(0, 3), min_size=1, max_size=20)
cutoffs = st.sampled_from([1, 3, 5, 10, 20])


def by_trec_eval(grades: dict[str, int], ranking: list[str], k: int) -> list[float]:
    """Return nDCG, RR, recall and success at k. trec_eval has no RR@k, so the ranking is cut."""
    names = {f"ndcg_cut.{k}", f"recall.{k}", f"success.{k}"}
    scores = {id_: float(len(ranking) - place) for place, id_ in enumerate(ranking)}
    cut = {id_: scores[id_] for id_ in ranking[:k]}
    found = pytrec_eval.RelevanceEvaluator({"q": grades}, names).evaluate({"q": scores})["q"]
    first = pytrec_eval.RelevanceEvaluator({"q": grades}, {"recip_rank"}).evaluate({"q": cut})["q"]
    return [
        found[f"ndcg_cut_{k}"],
        first["recip_rank"],
        found[f"recall_{k}"],
        found[f"success_{k}"],
    ]


@given(grades, ids.filter(bool), cutoffs)
def test_measures_equal_trec_eval(grades: dict[str, int], ranking: list[str], k: int) -> None:
    [measured] = measure_rankings(grades, [ranking], k)
    assert tuple(measured) == measure_names(k)
    expected = by_trec_eval(grades, ranking, k)
    assert list(measured.values()) == pytest.approx(expected, abs=1e-6)


@given(grades, st.lists(ids, max_size=4), cutoffs)
def test_rankings_have_the_same_measures_together_and_alone(
    grades: dict[str, int], rankings: list[list[str]], k: int
) -> None:
    together = measure_rankings(grades, rankings, k)
    assert together == [measure_rankings(grades, [ranking], k)[0] for ranking in rankings]


def test_an_empty_ranking_measures_0() -> None:
    [measured] = measure_rankings({"a": 1}, [[]])
    assert set(measured.values()) == {0.0}


def test_a_grade_below_0_counts_as_0() -> None:
    below, at = (measure_rankings({"a": 1, "b": grade}, [["b", "a"]]) for grade in (-1, 0))
    assert below == at
