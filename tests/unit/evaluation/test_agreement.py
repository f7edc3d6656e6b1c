"""How far first stage and reranker agree: by query, over queries, and in the reports."""

import random
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from scipy.stats import spearmanr

from bge_rerank import Reranker, ScoringError
from bge_rerank.evaluation import Evaluation, LabelledQuery, evaluate
from bge_rerank.evaluation.agreement import mean_agreement, query_agreement
from bge_rerank.evaluation.report.markdown import as_markdown
from bge_rerank.evaluation.report.terminal import print_evaluation
from bge_rerank.evaluation.result import Agreement

PASSAGES = 100


@given(st.lists(st.integers(0, 300), unique=True, min_size=2, max_size=120))
def test_the_rank_correlation_is_scipys(places: list[int]) -> None:
    expected = spearmanr(places, range(len(places))).statistic
    assert query_agreement(places, 301).rank_correlation == pytest.approx(expected)


@given(st.lists(st.integers(0, 300), unique=True, min_size=1, max_size=120))
def test_the_share_counts_the_first_ten_before_place_50(places: list[int]) -> None:
    first = set(places[:10])
    assert query_agreement(places, 301).share == pytest.approx(
        len(first & set(range(50))) / len(first)
    )


def test_of_50_candidates_no_share_is_told_and_of_51_one_is() -> None:
    assert query_agreement(range(50), 50).share is None
    assert query_agreement([50, *range(50)], 51).share == 0.9


def test_what_was_not_kept_is_told_nothing_of() -> None:
    assert query_agreement([], 100) == Agreement(None, None)
    assert query_agreement([70], 100) == Agreement(0.0, None)


def test_a_mean_of_fewer_than_30_queries_is_none() -> None:
    assert mean_agreement([0.5] * 29, [1.0] * 30) == Agreement(None, 1.0)


class Shuffled:
    """Puts the passages whose number is a multiple of a step first, the last one foremost."""

    def __init__(self, step: int, fails_at: int = -1) -> None:
        self.step, self.fails_at, self.calls = step, fails_at, 0

    def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
        if self.calls == self.fails_at:
            raise ScoringError("out of order")
        self.calls += 1
        numbers = (int(text) for _, text in pairs)
        return [number if number % self.step == 0 else -1.0 for number in numbers]


def queries(count: int, passages: int = PASSAGES) -> Iterator[LabelledQuery]:
    """Give queries whose candidates are numbers, in an order of their own each."""
    for number in range(count):
        texts = [str(text) for text in range(passages)]
        random.Random(number).shuffle(texts)
        candidates = [(f"p{text}", text) for text in texts]
        yield LabelledQuery(f"q{number}", "which", candidates, {"p0": 1})


def expected_share(step: int, count: int) -> float:
    """Count by the texts what the module counts by places."""
    best = [str(number) for number in range(PASSAGES - 1, -1, -1) if number % step == 0][:10]
    shares = []
    for query in queries(count):
        before = [text for _, text in (query.candidates or ())[:50]]
        shares.append(fmean(text in before for text in best))
    return fmean(shares)


def expected_correlation(count: int) -> float:
    """Correlate places with numbers, which the scorer prefers to be high."""
    return fmean(
        spearmanr(range(PASSAGES), [-int(text) for _, text in query.candidates or ()]).statistic
        for query in queries(count)
    )


def agreement_of(evaluation: Evaluation) -> Agreement:
    [model] = evaluation.models
    assert model.agreement is not None
    return model.agreement


def printed(evaluation: Evaluation) -> str:
    console = Console(record=True, width=1_000, file=StringIO())
    print_evaluation(evaluation, console)
    return console.export_text()


def test_the_evaluation_has_the_means_over_its_queries() -> None:
    found = evaluate(queries(30), {"m": Shuffled(1)}, depth=PASSAGES)
    agreement = agreement_of(found)
    assert agreement.share == pytest.approx(expected_share(1, 30))
    assert agreement.rank_correlation == pytest.approx(expected_correlation(30))
    assert found.as_json()["models"][0]["agreement"] == {
        "share": agreement.share,
        "rank_correlation": agreement.rank_correlation,
    }


def test_a_share_under_60_percent_is_warned_of_and_says_what_to_do() -> None:
    found = evaluate(queries(30), {"m": Shuffled(5)}, depth=PASSAGES)
    share = agreement_of(found).share
    [note] = found.notes
    assert note.startswith(f"m: {share:.1%} of its first 10 passages are within")
    assert "retrieve deeper, or try another embedder" in note
    for report in (as_markdown(found), printed(found)):
        assert "Agreement: the first stage has " in report
        assert f"{share:.1%} of the reranker's first 10 passages" in report.replace("\\", "")
        assert "no proven bound" in report


def test_agreement_is_not_warned_of() -> None:
    """All passages have one score, so that the order stays."""
    found = evaluate(queries(30), {"m": Shuffled(1_000)}, depth=PASSAGES)
    assert found.notes == ()
    assert agreement_of(found).share == pytest.approx(1.0, abs=0.1)


def test_at_a_depth_of_50_the_report_says_which_depth_it_takes() -> None:
    found = evaluate(queries(30), {"m": Shuffled(5)}, depth=50)
    assert agreement_of(found).share is None
    assert found.notes == ()
    for report in (as_markdown(found), printed(found)):
        assert "is told at a depth above 50, such as 100" in report


def test_queries_with_few_candidates_count_for_no_share() -> None:
    mixed = [*queries(30), *(query for query in queries(60, passages=20) if int(query.id[1:]) > 29)]
    found = evaluate(mixed, {"m": Shuffled(5)}, depth=PASSAGES)
    assert found.queries == 60
    assert agreement_of(found).share == pytest.approx(expected_share(5, 30))


def test_a_reranker_that_keeps_one_passage_has_no_rank_correlation() -> None:
    one = Reranker(Shuffled(5), top_n=1)
    found = evaluate(queries(30), {"m": one}, depth=PASSAGES)
    assert agreement_of(found).rank_correlation is None
    assert "no rank correlation" in as_markdown(found)


def test_of_fewer_than_30_queries_no_agreement_is_told() -> None:
    found = evaluate(queries(29), {"m": Shuffled(5)}, depth=PASSAGES)
    assert found.models[0].agreement is None
    assert found.notes == ()
    assert "Agreement" not in as_markdown(found)


def test_a_run_that_broke_off_goes_on_to_the_same_agreement(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"depth": PASSAGES, "output": tmp_path}
    with pytest.raises(ScoringError):
        evaluate(queries(40), {"m": Shuffled(5, fails_at=17)}, **settings)
    resumed = evaluate(queries(40), {"m": Shuffled(5)}, **settings)
    whole = evaluate(queries(40), {"m": Shuffled(5)}, depth=PASSAGES)
    assert agreement_of(resumed) == agreement_of(whole)
