import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from bge_rerank import (
    CalibrationError,
    ConfigurationError,
    InvalidInputError,
    InvalidTextError,
    NonFiniteScoreError,
    Ranked,
    Reranker,
    ScoringError,
    load_scorer,
)
from calibrations import calibration


class Lengths:
    """A scorer by length that records its calls."""

    def __init__(self) -> None:
        self.calls: list[list[tuple[str, str]]] = []

    def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
        self.calls.append(list(pairs))
        return [float(len(passage)) for _, passage in pairs]


class Broken:
    """A scorer that returns fixed logits, whatever the pairs are."""

    def __init__(self, logits: list[float]) -> None:
        self.logits = logits

    def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
        return self.logits


def test_ranks_best_first() -> None:
    ranking = Reranker(Lengths(), top_n=2).rerank("q", ["a", "ccc", "bb"])
    assert ranking == [
        Ranked(1, 0.9525741268224334, 3.0),
        Ranked(2, 0.8807970779778823, 2.0),
    ]


def test_many_requests_take_one_pass_over_all_pairs() -> None:
    scorer = Lengths()
    rankings = Reranker(scorer, top_n=None).rerank_many(
        [("q1", ["a", "bb"]), ("q2", []), ("q3", ["ccc"])]
    )
    assert scorer.calls == [[("q1", "a"), ("q1", "bb"), ("q3", "ccc")]]
    assert [[ranked.index for ranked in ranking] for ranking in rankings] == [[1, 0], [], [0]]


def test_many_requests_rank_like_each_alone() -> None:
    reranker = Reranker(Lengths(), top_n=2, score_threshold=0.8)
    requests = [("q1", ["a", "bb", "cccc"]), ("q2", ["dddd", "e"])]
    assert reranker.rerank_many(requests) == [reranker.rerank(*request) for request in requests]


def test_no_requests_give_no_rankings() -> None:
    assert Reranker(Lengths()).rerank_many([]) == []


def test_no_texts_give_an_empty_ranking_and_no_call() -> None:
    scorer = Lengths()
    assert Reranker(scorer).rerank("q", []) == []
    assert asyncio.run(Reranker(scorer).arerank("q", [])) == []
    assert scorer.calls == []


async def test_a_duplicate_text_is_scored_once_and_ranked_twice() -> None:
    scorer = Lengths()
    texts = ["a", "bb", "a", "bb", "a"]
    ranking = Reranker(scorer, top_n=None).rerank("q", texts)
    assert [ranked.index for ranked in ranking] == [1, 3, 0, 2, 4]
    assert await Reranker(scorer, top_n=None).arerank("q", texts) == ranking
    assert scorer.calls == [[("q", "a"), ("q", "bb")]] * 2


def test_the_same_text_under_two_queries_is_scored_twice() -> None:
    scorer = Lengths()
    Reranker(scorer).rerank_many([("q1", ["a", "b"]), ("q2", ["a"]), ("q1", ["b"])])
    assert scorer.calls == [[("q1", "a"), ("q1", "b"), ("q2", "a")]]


async def test_async_ranks_the_same() -> None:
    reranker = Reranker(Lengths())
    assert await reranker.arerank("q", ["a", "bb"]) == reranker.rerank("q", ["a", "bb"])


@pytest.mark.parametrize("query", ["", "   "])
async def test_an_empty_query_is_refused_sync_and_async(query: str) -> None:
    reranker = Reranker(Lengths())
    with pytest.raises(InvalidInputError, match="query is empty"):
        reranker.rerank(query, ["a"])
    with pytest.raises(InvalidInputError, match="query is empty"):
        await reranker.arerank(query, ["a"])


def test_a_text_that_is_not_a_string_is_named_and_nothing_is_scored() -> None:
    scorer = Lengths()
    with pytest.raises(InvalidTextError, match=r"texts\[1\] is a NoneType"):
        Reranker(scorer).rerank("q", ["a", None])  # type: ignore[list-item]
    assert scorer.calls == []


@pytest.mark.parametrize("logits", [[], [1.0], [1.0, 2.0, 3.0]])
def test_another_number_of_scores_than_pairs_raises(logits: list[float]) -> None:
    with pytest.raises(ScoringError, match=f"{len(logits)} scores for 2 pairs"):
        Reranker(Broken(logits)).rerank("q", ["a", "b"])


@pytest.mark.parametrize("logit", [float("nan"), float("inf"), float("-inf")])
async def test_a_score_that_is_not_finite_is_never_ranked(logit: float) -> None:
    reranker = Reranker(Broken([1.0, logit]))
    with pytest.raises(NonFiniteScoreError, match="pair 1"):
        reranker.rerank("q", ["a", "b"])
    with pytest.raises(NonFiniteScoreError, match="pair 1"):
        await reranker.arerank("q", ["a", "b"])


def test_options_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="top_n is 0"):
        Reranker(Lengths(), top_n=0)
    with pytest.raises(ConfigurationError, match="score_threshold is nan"):
        Reranker(Lengths(), score_threshold=float("nan"))


def test_a_calibration_gives_probabilities_and_a_threshold() -> None:
    texts = ["a", "ccc", "bb"]
    [best, second] = Reranker(Lengths(), calibration=calibration(), min_precision=0.95).rerank(
        "q", texts
    )
    assert (best.index, best.logit, best.probability) == (1, 3.0, 0.9)
    assert (second.index, second.logit, second.probability) == (2, 2.0, 0.9)
    assert [ranked.probability for ranked in Reranker(Lengths()).rerank("q", texts)] == [None] * 3


async def test_a_calibration_is_checked_only_if_there_are_scores() -> None:
    class Other(Lengths):
        model_name = "another"

    reranker = Reranker(Other(), calibration=calibration())
    assert reranker.rerank("q", []) == []
    with pytest.raises(CalibrationError, match="model_name='mini', and the scorer has"):
        reranker.rerank("q", ["a"])
    with pytest.raises(CalibrationError, match="model_name='mini', and the scorer has"):
        await reranker.arerank("q", ["a"])


def test_a_precision_that_cannot_be_reached_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="min_precision is 0.9 without a calibration"):
        Reranker(Lengths(), min_precision=0.9)
    with pytest.raises(CalibrationError, match="guarantee 0.950 at most"):
        Reranker(Lengths(), calibration=calibration(), min_precision=0.96)


def test_the_name_of_a_model_ranks_at_once() -> None:
    texts = ["Bread rises on yeast.", "The Moon's gravity raises the tides."]
    assert [ranked.index for ranked in Reranker("mini").rerank("what causes tides", texts)] == [
        1,
        0,
    ]


def test_a_reranker_takes_the_options_of_a_model() -> None:
    assert Reranker("mini", top_n=1).scorer == load_scorer("mini")
    assert Reranker(model_name="mini", dtype="float32").scorer == load_scorer(
        "mini", dtype="float32"
    )
    served = Reranker("m", backend="tei", base_url=["http://a", "http://b"], api_key="k")
    expected = load_scorer("m", "tei", base_url=["http://a", "http://b"], api_key="k")
    assert served.scorer == expected
    assert Reranker().scorer == load_scorer()


def test_a_scorer_is_used_as_it_is() -> None:
    scorer = Lengths()
    assert Reranker(scorer).scorer is scorer
    assert Reranker(model_name=scorer).scorer is scorer


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model_name": 7}, "^model_name is 7; pass the name of a model, or a scorer: an object"),
        ({"model_name": None}, "^model_name is None; pass the name of a model, or a scorer"),
        (
            {"model_name": {"a": 1}},
            "^model_name is {'a': 1}; pass the name of a model, or a scorer",
        ),
        ({"model_name": Lengths(), "dtype": "float32"}, "dtype has no effect on a ready scorer"),
        ({"model_name": Lengths(), "base_url": "http://a"}, "base_url has no effect on a ready"),
        (
            {"calibration": 5},
            "^calibration is 5; pass a Calibration, the path of its file, or None",
        ),
        ({"model_name": "m", "backend": "tei"}, "backend 'tei' asks a server.* base_url"),
        ({"model_name": "m", "backend": "tensorflow"}, "backend is 'tensorflow'; choose one of"),
    ],
)
def test_a_model_or_calibration_that_cannot_work_is_refused_at_once(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Reranker(**options)


def test_an_option_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(
        TypeError, match=r"Reranker.__init__\(\) .*'topn' \(did you mean 'top_n'\?\)"
    ):
        Reranker("mini", topn=3)  # type: ignore[call-arg]
