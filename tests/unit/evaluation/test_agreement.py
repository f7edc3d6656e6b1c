"""Agreement of reranker and first stage: of a query, over queries, and in the reports."""

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
def test_the_rank_correlation_equals_scipys(places: list[int]) -> None:
    expected = spearmanr(places, range(len(places))).statistic
    assert query_agreement(places, 301).rank_correlation == pytest.approx(expected)


@given(st.lists(st.integers(0, 300), unique=True, min_size=1, max_size=120))
def test_the_share_counts_the_first_ten_before_place_50(places: list[int]) -> None:
    first = set(places[:10])
    assert query_agreement(places, 301).share == pytest.approx(
        len(first & set(range(50))) / len(first)
    )


def test_a_share_needs_more_than_50_candidates() -> None:
    assert query_agreement(range(50), 50).share is None
    assert query_agreement([50, *range(50)], 51).share == 0.9


def test_passages_that_were_not_kept_have_no_agreement() -> None:
    assert query_agreement([], 100) == Agreement(None, None)
    assert query_agreement([70], 100) == Agreement(0.0, None)


def test_a_mean_of_fewer_than_30_queries_is_none() -> None:
    assert mean_agreement([0.5] * 29, [1.0] * 30) == Agreement(None, 1.0)


class Shuffled:
    """Ranks passages whose number is a multiple of a step first, the largest number on top."""

    def __init__(self, step: int, fails_at: int = -1) -> None:
        self.step, self.fails_at, self.calls = step, fails_at, 0

    def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
        if self.calls == self.fails_at:
            raise ScoringError("out of order")
        self.calls += 1
        numbers = (int(text) for _, text in pairs)
        return [number if number % self.step == 0 else -1.0 for number in numbers]


def queries(count: int, passages: int = PASSAGES) -> Iterator[LabelledQuery]:
    """Give queries whose candidates are numbers, shuffled for each query."""
    for number in range(count):
        texts = [str(text) for text in range(passages)]
        random.Random(number).shuffle(texts)
        candidates = [(f"p{text}", text) for text in texts]
        yield LabelledQuery(f"q{number}", "which", candidates, {"p0": 1})


def expected_share(step: int, count: int) -> float:
    """Count by texts, while the module counts by positions."""
    best = [str(number) for number in range(PASSAGES - 1, -1, -1) if number % step == 0][:10]
    shares = []
    for query in queries(count):
        before = [text for _, text in (query.candidates or ())[:50]]
        shares.append(fmean(text in before for text in best))
    return fmean(shares)


def expected_correlation(count: int) -> float:
    """Correlate positions with numbers; the scorer prefers high numbers."""
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


def test_the_agreement_of_an_evaluation_is_the_mean_over_its_queries() -> None:
    found = evaluate(queries(30), {"m": Shuffled(1)}, depth=PASSAGES)
    agreement = agreement_of(found)
    assert agreement.share == pytest.approx(expected_share(1, 30))
    assert agreement.rank_correlation == pytest.approx(expected_correlation(30))
    assert found.as_json()["models"][0]["agreement"] == {
        "share": agreement.share,
        "rank_correlation": agreement.rank_correlation,
    }


def test_a_share_below_60_percent_gives_a_warning_with_advice() -> None:
    found = evaluate(queries(30), {"m": Shuffled(5)}, depth=PASSAGES)
    share = agreement_of(found).share
    [note] = found.notes
    assert note.startswith(f"{100 * share:.1f} % of the first 10 passages of m are among")
    assert "retrieve deeper, or try another embedder" in note
    for report in (as_markdown(found), printed(found)):
        assert f"{100 * share:.1f} % of the reranker's first 10 passages" in report
        assert "not a proven bound" in report


def test_agreement_gives_no_warning() -> None:
    """All passages have the same score, so the order stays."""
    found = evaluate(queries(30), {"m": Shuffled(1_000)}, depth=PASSAGES)
    assert found.notes == ()
    assert agreement_of(found).share == pytest.approx(1.0, abs=0.1)


def test_with_50_candidates_the_report_leaves_the_share_out() -> None:
    found = evaluate(queries(30), {"m": Shuffled(5)}, depth=50)
    assert agreement_of(found).share is None
    assert found.notes == ()
    for report in (as_markdown(found), printed(found)):
        assert "The rank correlation with the first stage's order is " in report
        assert "first stage's first 50" not in report


def test_queries_with_few_candidates_do_not_count_for_the_share() -> None:
    mixed = [*queries(30), *(query for query in queries(60, passages=20) if int(query.id[1:]) > 29)]
    found = evaluate(mixed, {"m": Shuffled(5)}, depth=PASSAGES)
    assert found.queries == 60
    assert agreement_of(found).share == pytest.approx(expected_share(5, 30))


def test_a_reranker_that_keeps_one_passage_has_no_rank_correlation() -> None:
    one = Reranker(Shuffled(5), top_n=1)
    found = evaluate(queries(30), {"m": one}, depth=PASSAGES)
    assert agreement_of(found).rank_correlation is None
    assert "order is unknown, because" in as_markdown(found)


def test_fewer_than_30_queries_have_no_agreement() -> None:
    found = evaluate(queries(29), {"m": Shuffled(5)}, depth=PASSAGES)
    assert found.models[0].agreement is None
    assert found.notes == ()
    assert "rank correlation" not in as_markdown(found)


def test_a_resumed_run_has_the_agreement_of_a_whole_run(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"depth": PASSAGES, "output": tmp_path}
    with pytest.raises(ScoringError):
        evaluate(queries(40), {"m": Shuffled(5, fails_at=17)}, **settings)
    resumed = evaluate(queries(40), {"m": Shuffled(5)}, **settings)
    whole = evaluate(queries(40), {"m": Shuffled(5)}, depth=PASSAGES)
    assert agreement_of(resumed) == agreement_of(whole)
