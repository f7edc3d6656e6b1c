"""When the verdict is to rerank, and when not."""

from dataclasses import replace

import pytest

from bge_rerank import ConfigurationError
from bge_rerank.evaluation.result import Change, Latency
from bge_rerank.evaluation.verdict import Demands, decide, too_little_data

GAIN = Change("nDCG@10", 0.6, 0.7, 0.1, 0.05, 0.15, 0.001)
NOISE = replace(GAIN, low=-0.01)
LOSS = Change("nDCG@10", 0.7, 0.6, -0.1, -0.15, -0.05, 0.001)
SMALL = Change("nDCG@10", 0.6, 0.62, 0.02, 0.01, 0.03, 0.001)
LATENCY = Latency(40.0, 90.0)


def test_a_clear_gain_within_the_budget_says_rerank() -> None:
    verdict = decide(GAIN, LATENCY, 10, Demands(0.65, 100.0, 5_000))
    assert verdict.decision == "rerank"
    assert "0.600 to 0.700 (+16.7 %" in verdict.reasons[0]
    assert "90.0 ms" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("change", "demands", "reason"),
    [
        (GAIN, Demands(target=0.6), "reaches the target: its nDCG@10 is 0.600, the target 0.600"),
        (NOISE, Demands(), "within the noise"),
        (LOSS, Demands(), "makes the order worse"),
        (SMALL, Demands(), "below 5 %: nDCG@10 goes"),
        (GAIN, Demands(latency_budget_ms=89.0), "too slow: 90.0 ms"),
        (GAIN, Demands(corpus_size=10), "the corpus has only 10 passages, so all are"),
    ],
)
def test_a_reason_against_reranking_is_named(change: Change, demands: Demands, reason: str) -> None:
    verdict = decide(change, LATENCY, 10, demands)
    assert verdict.decision == "do not rerank"
    [only] = verdict.reasons
    assert reason in only


def test_all_reasons_against_reranking_are_named() -> None:
    verdict = decide(NOISE, LATENCY, 10, Demands(0.5, 10.0, 3))
    assert len(verdict.reasons) == 4


def test_a_gain_on_0_counts_as_a_gain() -> None:
    from_nothing = Change("nDCG@10", 0.0, 0.1, 0.1, 0.05, 0.15, 0.001)
    assert decide(from_nothing, LATENCY, 10, Demands()).decision == "rerank"


def test_30_queries_with_a_passage_found_are_enough_data() -> None:
    assert too_little_data(30, 1) is None
    assert "queries measured: 29" in str(too_little_data(29, 29))
    assert "same ids" in str(too_little_data(30, 0))


@pytest.mark.parametrize("demands", [Demands(target=1.2), Demands(target=0.0)])
def test_a_target_outside_the_range_of_ndcg_is_refused(demands: Demands) -> None:
    with pytest.raises(ConfigurationError, match="target is"):
        demands.check()


@pytest.mark.parametrize("budget", [0.0, -1.0, float("nan")])
def test_a_budget_that_is_not_above_0_is_refused(budget: float) -> None:
    with pytest.raises(ConfigurationError, match="latency_budget_ms is"):
        Demands(latency_budget_ms=budget).check()
