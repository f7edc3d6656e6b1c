"""`evaluate`: the figures that it returns, and the settings and data that it refuses."""

import sys
from dataclasses import replace
from statistics import fmean
from typing import Any

import pytest

from bge_rerank import (
    ConfigurationError,
    InvalidInputError,
    MissingDependencyError,
    Reranker,
)
from bge_rerank.evaluation import Evaluation, evaluate
from counted_scorer import Counted
from evaluations import shortest_first
from labelled_queries import Told, labelled_queries


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate(labelled_queries(100), {"told": Told(), "short": Counted(shortest_first)}, k=3)


def test_figures_are_means_over_the_queries(evaluation: Evaluation) -> None:
    told = evaluation.models[0]
    ndcg, mrr, recall, hit = told.changes
    assert [change.measure for change in told.changes] == ["nDCG@3", "MRR@3", "Recall@3", "Hit@3"]
    places = [[id_ for id_, _ in query.candidates or ()] for query in labelled_queries(100)]
    answers = [next(iter(query.relevant)) for query in labelled_queries(100)]
    ranks = [ids.index(answer) + 1 for ids, answer in zip(places, answers, strict=True)]
    assert hit.before == pytest.approx(fmean(rank <= 3 for rank in ranks))
    assert mrr.before == pytest.approx(fmean(1 / rank if rank <= 3 else 0 for rank in ranks))
    assert ndcg.difference == pytest.approx(ndcg.after - ndcg.before)
    assert fmean(told.differences) == pytest.approx(ndcg.difference)
    assert recall.before < hit.before
    assert ndcg.low < ndcg.difference < ndcg.high
    assert ndcg.p_value < 0.001


def test_wins_losses_and_ties_add_up_to_all_queries(evaluation: Evaluation) -> None:
    told = evaluation.models[0]
    assert told.wins + told.losses + told.ties == evaluation.queries == 100
    assert told.wins == sum(difference > 0 for difference in told.differences)
    assert min(told.wins, told.losses, told.ties) > 0


def test_the_largest_losses_have_their_texts(evaluation: Evaluation) -> None:
    told = evaluation.models[0]
    lost = sorted(difference for difference in told.differences if difference < 0)
    assert [loss.difference for loss in told.worst] == pytest.approx(lost[:5])
    queries = {query.id: query for query in labelled_queries(100)}
    for loss in told.worst:
        candidates = dict(queries[loss.id].candidates or ())
        assert loss.query == queries[loss.id].query
        assert loss.before.text == candidates["p0"]
        assert loss.after is not None
        assert loss.after.text == candidates["p5"]


def test_the_better_of_two_models_is_named(evaluation: Evaluation) -> None:
    told, short = evaluation.models
    assert told.verdict.decision == "rerank"
    assert short.verdict.decision == "do not rerank"
    assert evaluation.best is told


def test_labels_that_the_first_stage_missed_are_counted(evaluation: Evaluation) -> None:
    missed = sum(query.relevant["missed"] for query in labelled_queries(100))
    assert evaluation.relevant == 100 + missed
    assert evaluation.found == 100


def test_depth_limits_the_candidates_before_and_after() -> None:
    scorer = Counted()
    cut = evaluate(labelled_queries(40), {"long": scorer}, depth=2)
    assert {len(pairs) for pairs in scorer.passes[1:]} == {2}
    assert cut.found < 40
    recall = cut.models[0].changes[2]
    assert recall.before == recall.after


def test_a_reranker_ranks_with_its_own_settings() -> None:
    first_only = {"one": Reranker(Told(), top_n=1)}
    [one] = evaluate(labelled_queries(40), first_only).models
    recall, hit = one.changes[2:]
    assert recall.before == fmean(
        1 / (1 + query.relevant["missed"]) for query in labelled_queries(40)
    )
    assert hit.before == 1.0
    assert hit.after == pytest.approx(one.changes[1].after)


def test_fewer_than_30_queries_give_counts_without_figures() -> None:
    few = evaluate(labelled_queries(29), {"told": Told()})
    [told] = few.models
    assert told.verdict.decision == "not enough data"
    assert (told.changes, told.latency, few.best) == ((), None, None)
    assert told.wins + told.losses + told.ties == 29


def test_labels_whose_ids_are_not_among_the_candidates_are_not_enough_data() -> None:
    other = (replace(query, relevant={"other": 1}) for query in labelled_queries(30))
    [told] = evaluate(other, {"told": Told()}).models
    assert "same ids" in told.verdict.reasons[0]


def test_a_query_without_candidates_counts_as_not_found() -> None:
    queries = [replace(query, candidates=[]) for query in labelled_queries(1)]
    nothing = evaluate([*queries, *list(labelled_queries(30))[1:]], {"told": Told()})
    assert nothing.queries == 30
    assert nothing.found == 29
    assert nothing.models[0].differences[0] == 0.0


def test_queries_without_a_relevant_passage_are_counted_and_left_out() -> None:
    queries = list(labelled_queries(35))
    empty = [replace(query, relevant=dict.fromkeys(query.relevant, 0)) for query in queries[30:]]
    scorer = Told()
    found = evaluate([*queries[:20], *empty, *queries[20:30]], {"told": scorer}, depths=[])
    assert (found.queries, found.without_relevant) == (30, 5)
    assert scorer.calls == 30 + 1
    assert found.models[0].changes == evaluate(queries[:30], {"told": Told()}).models[0].changes
    assert found.as_json()["without_relevant"] == 5


def test_queries_without_any_relevant_passage_are_refused() -> None:
    queries = [replace(query, relevant={}) for query in labelled_queries(3)]
    scorer = Told()
    with pytest.raises(
        InvalidInputError, match=r"none of the queries \(3\) has a relevant passage"
    ):
        evaluate(queries, {"told": scorer})
    assert scorer.calls == 0


def test_an_evaluation_without_queries_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="no labelled queries"):
        evaluate([], {"told": Told()})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 0}, "depth is 0"),
        ({"k": 2.5}, "k is 2.5"),
        ({"target": 3}, "target is 3"),
        ({"models": {}}, "models is empty"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        evaluate(labelled_queries(1), **({"models": {"told": Told()}} | settings))


def test_a_tight_budget_and_a_small_corpus_are_noted() -> None:
    noted = evaluate(labelled_queries(1), {"told": Told()}, latency_budget_ms=20, corpus_size=6)
    assert "a budget of 20 ms is tight" in noted.notes[0]
    assert "the corpus has only 6 passages" in noted.notes[1]


def test_two_queries_with_the_same_id_are_refused() -> None:
    twice = [*labelled_queries(2), *labelled_queries(1)]
    with pytest.raises(InvalidInputError, match=r"queries\[2\]: 'id' is 'q0', as of an earlier"):
        evaluate(twice, {"told": Told()})


@pytest.mark.parametrize("package", ["ir_measures", "scipy.stats"])
def test_a_missing_package_is_named_before_any_measuring(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    scorer = Told()
    with pytest.raises(MissingDependencyError, match=rf"{package}.*'bge-rerank\[evaluate\]'"):
        evaluate(labelled_queries(40), {"told": scorer})
    assert scorer.calls == 0
