"""`evaluate` by depth: the curve, what each depth takes, and what is recommended."""

import json
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from bge_rerank import ConfigurationError, InvalidInputError, Reranker
from bge_rerank.backends.bm25 import Bm25Scorer
from bge_rerank.evaluation import Evaluation, LabelledQuery, evaluate
from bge_rerank.evaluation.evaluate import RECORDS_FILE
from bge_rerank.evaluation.measures import measure_rankings
from bge_rerank.evaluation.measuring import is_timed
from bge_rerank.evaluation.report.markdown import as_markdown
from bge_rerank.evaluation.report.terminal import print_evaluation
from bge_rerank.evaluation.report.write import write_reports
from bge_rerank.scoring.cache import CachedScorer, MemoryCache
from bge_rerank.types import Scorer
from counted_scorer import Counted
from labelled_queries import Told, labelled_queries

DEPTHS = (1, 2, 4, 6)


def evaluated(
    count: int = 60, scorer: Scorer | Reranker | None = None, **options: Any
) -> Evaluation:
    """Evaluate at several depths, of candidates that are six."""
    given = {"depth": 6, "depths": DEPTHS[:-1], "k": 3} | options
    return evaluate(labelled_queries(count), {"told": scorer or Told()}, **given)


def records(folder: Path) -> list[Any]:
    return list(map(json.loads, (folder / RECORDS_FILE).read_bytes().splitlines()))[1:]


def reranked_anew(query: LabelledQuery, scorer: Scorer, depth: int) -> list[str]:
    """Rerank the first candidates alone, and put the others behind them."""
    candidates = query.candidates or []
    texts = [text for _, text in candidates[:depth]]
    first = [ranked.index for ranked in Reranker(scorer, top_n=None).rerank(query.query, texts)]
    return [candidates[place][0] for place in [*first, *range(len(first), len(candidates))]]


def test_the_curves_are_those_of_reranking_anew_at_each_depth() -> None:
    models = {"told": Told(), "longest": Counted()}
    found = evaluate(labelled_queries(60), models, depth=6, depths=DEPTHS[:-1], k=3)
    assert found.models[0].depths[2].after != found.models[1].depths[2].after
    for model in found.models:
        assert tuple(point.depth for point in model.depths) == DEPTHS
        for point in model.depths:
            anew = [
                measure_rankings(
                    query.relevant, [reranked_anew(query, models[model.name], point.depth)], k=3
                )[0]
                for query in labelled_queries(60)
            ]
            assert point.after == pytest.approx(fmean(values["nDCG@3"] for values in anew))
            difference = point.after - model.changes[0].before
            assert point.low <= difference <= point.high


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 4), max_size=7), min_size=30, max_size=34),
    st.integers(1, 8),
    st.integers(1, 5),
)
def test_at_the_whole_depth_the_curve_is_the_evaluation_itself(
    lengths: list[list[int]], depth: int, k: int
) -> None:
    lengths[0] = [*lengths[0], 1]  # something is found
    queries = [
        LabelledQuery(
            str(number), "q", [(str(place), "x" * size) for place, size in enumerate(its)], {"0": 1}
        )
        for number, its in enumerate(lengths)
    ]
    given = {"depth": depth, "depths": range(1, depth), "k": k}
    [model] = evaluate(queries, {"longest": Counted()}, **given).models
    ndcg = model.changes[0]
    whole = model.depths[-1]
    assert (whole.depth, whole.latency) == (depth, model.latency)
    assert (whole.after, whole.low, whole.high) == (ndcg.after, ndcg.low, ndcg.high)
    if whole is not model.depths[0]:
        assert model.depths[0].after == pytest.approx(ndcg.before)  # one candidate moves nowhere


def test_the_default_depths_end_where_the_candidates_do() -> None:
    [told] = evaluated(depth=50, depths=None).models
    assert [point.depth for point in told.depths] == [5, 50]


def test_without_smaller_depths_there_is_the_whole_one() -> None:
    scorer = Told()
    [told] = evaluated(scorer=scorer, depths=[]).models
    assert [point.depth for point in told.depths] == [6]
    assert told.recommended_depth == 6
    assert scorer.calls == 60 + 1


def test_depth_1_changes_nothing_and_is_not_recommended() -> None:
    [told] = evaluated(depth=1, depths=None).models
    [point] = told.depths
    assert (point.after, point.low, point.high) == (told.changes[0].before, 0.0, 0.0)
    assert told.recommended_depth is None
    assert told.verdict.decision == "do not rerank"


def test_a_depth_beyond_the_whole_one_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="depths has 7; give whole numbers from 1 to 6"):
        evaluated(depths=[7])


def test_fewer_than_30_queries_give_no_curve() -> None:
    [told] = evaluated(29).models
    assert (told.depths, told.recommended_depth) == ((), None)


class Sized(Counted):
    """Notes how many passages each call had."""

    @property
    def sizes(self) -> list[int]:
        return list(map(len, self.passes))


def test_some_queries_are_ranked_at_each_depth_to_see_what_it_takes(tmp_path: Path) -> None:
    scorer = Sized()
    [model] = evaluated(45, scorer, output=tmp_path).models
    warming, *sizes = scorer.sizes
    assert warming == 1
    assert sizes[:8] == [6, 1, 2, 4, 6, 1, 2, 4]
    assert sizes.count(1) == sizes.count(4) == sum(map(is_timed, range(45))) == 20 + 3
    timed = [
        number for number, record in enumerate(records(tmp_path)) if record["depth_milliseconds"]
    ]
    assert timed == list(filter(is_timed, range(45)))
    assert all(point.latency for point in model.depths)


def test_a_query_with_fewer_candidates_is_not_ranked_again(tmp_path: Path) -> None:
    scorer = Sized()
    evaluated(1, scorer, depth=50, depths=[5, 20], output=tmp_path)
    assert scorer.sizes == [1, 6, 5]
    [record] = records(tmp_path)
    at_5, at_20 = record["depth_milliseconds"]["told"]
    assert at_20 == record["milliseconds"]["told"] != at_5


def test_scores_that_are_kept_leave_no_times_by_depth() -> None:
    inner = Told()
    evaluation = evaluated(scorer=CachedScorer(inner, MemoryCache(), ["told"]))
    [told] = evaluation.models
    assert [point.latency for point in told.depths] == [None] * 4
    assert told.latency is not None
    assert told.recommended_depth is not None
    assert "what told takes by depth was not measured" in evaluation.notes[0]
    assert inner.calls == 60 + 1  # no second ranking
    budgeted = evaluated(
        scorer=CachedScorer(Told(), MemoryCache(), ["told"]), latency_budget_ms=10_000
    )
    assert budgeted.models[0].recommended_depth is None
    assert budgeted.models[0].verdict.decision == "rerank"


@pytest.mark.parametrize(
    ("reranker", "why"),
    [
        (Reranker(Told(), top_n=6), "told has no curve of depths: its top_n may leave"),
        (Reranker(Told(), None, prefilter="bm25", keep=3), "its prefilter may leave"),
        (Reranker(Bm25Scorer(), None), "its scorer compares the candidates"),
    ],
)
def test_a_reranker_without_a_curve_says_why(reranker: Reranker, why: str) -> None:
    evaluation = evaluated(scorer=reranker)
    [told] = evaluation.models
    assert (told.depths, told.recommended_depth) == ((), None)
    assert told.latency is not None
    [note] = evaluation.notes
    assert why in note


def interrupted(count: int, at: int) -> Iterator[LabelledQuery]:
    """Give queries until the run is broken off."""
    for number, query in enumerate(labelled_queries(count)):
        if number == at:
            raise KeyboardInterrupt
        yield query


@pytest.mark.parametrize("at", [7, 33])
def test_a_run_that_was_broken_off_goes_on_to_the_same_curve(tmp_path: Path, at: int) -> None:
    given = {"depth": 6, "depths": [2, 4], "k": 3, "output": tmp_path / "broken"}
    with pytest.raises(KeyboardInterrupt):
        evaluate(interrupted(60, at), {"told": Told()}, **given)
    resumed = evaluate(labelled_queries(60), {"told": Told()}, **given)
    whole = evaluate(
        labelled_queries(60), {"told": Told()}, **given | {"output": tmp_path / "whole"}
    )
    for one, other in zip(records(tmp_path / "broken"), records(tmp_path / "whole"), strict=True):
        assert one["depths"] == other["depths"]
        assert one["depth_milliseconds"].keys() == other["depth_milliseconds"].keys()
    [one], [other] = resumed.models, whole.models
    assert one.recommended_depth == other.recommended_depth
    figures = [[(p.depth, p.after, p.low, p.high) for p in model.depths] for model in (one, other)]
    assert figures[0] == figures[1]
    assert evaluate(labelled_queries(60), {"told": Told()}, **given) == resumed


def test_other_depths_than_those_of_the_file_are_named(tmp_path: Path) -> None:
    evaluated(5, output=tmp_path)
    with pytest.raises(ConfigurationError, match=r"depths was \[1, 2, 4, 6\] and is \[3, 6\]"):
        evaluated(5, depths=[3], output=tmp_path)


def test_a_file_of_the_format_before_is_refused(tmp_path: Path) -> None:
    evaluated(5, output=tmp_path)
    file = tmp_path / RECORDS_FILE
    older = file.read_bytes().replace(b'"format": 3', b'"format": 2', 1)
    file.write_bytes(older)
    with pytest.raises(InvalidInputError, match="no evaluation that this version wrote.*afresh"):
        evaluated(5, output=tmp_path)
    assert file.read_bytes() == older


def test_reports_show_the_curve_and_mark_the_depth(tmp_path: Path) -> None:
    evaluation = evaluated()
    [told] = evaluation.models
    depth = told.recommended_depth
    assert depth is not None
    write_reports(evaluation, tmp_path)
    contents = json.loads((tmp_path / "evaluation.json").read_text())["models"][0]
    assert contents["recommended_depth"] == depth
    assert [point["depth"] for point in contents["depths"]] == list(DEPTHS)
    assert contents["depths"][0]["latency"].keys() == {"p50", "p95"}
    [marked] = [line for line in as_markdown(evaluation).splitlines() if "| recommended |" in line]
    assert marked.startswith(f"| {depth} | {told.advised_after:.3f} | +")
    console = Console(record=True, width=120, file=StringIO())
    print_evaluation(evaluation, console)
    printed = console.export_text()
    assert printed.count("recommended │") == 1
    assert f"depth {depth} is recommended" in " ".join(printed.split())
    at = "" if depth == 6 else f" at depth {depth}"
    assert f"Yes: rerank with told{at}." in printed


class Clock:
    """A clock that goes on by a millisecond for each passage that is scored."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def perf_counter(self) -> float:
        return self.seconds


class Clocked(Told):
    """Takes the time of a clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
        self.clock.seconds += len(pairs) / 1_000
        return super().score(pairs)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("bge_rerank.evaluation.measuring.time", clock)
    return clock


def test_the_times_are_those_of_ranking_so_many(clock: Clock) -> None:
    [told] = evaluated(scorer=Clocked(clock)).models
    took = [(point.latency.p50, point.latency.p95) for point in told.depths if point.latency]
    assert took == [pytest.approx((depth, depth)) for depth in DEPTHS]


def test_a_whole_depth_that_breaks_the_budget_gives_way_to_one_that_keeps_it(clock: Clock) -> None:
    evaluation = evaluated(scorer=Clocked(clock), latency_budget_ms=5)
    [told] = evaluation.models
    assert (told.verdict.decision, told.recommended_depth) == ("rerank", 4)
    assert told.verdict.reasons[1].startswith("at depth 6, it is too slow: 6.0 ms")
    assert "Yes: rerank with told at depth 4." in as_markdown(evaluation)


def test_models_are_compared_at_the_depths_that_are_recommended(clock: Clock) -> None:
    queries = list(labelled_queries(60))
    models = {"slow": Clocked(clock), "fast": Told()}
    given = {"depth": 6, "depths": [2], "k": 3, "latency_budget_ms": 5}
    slow, fast = (found := evaluate(queries, models, **given)).models
    assert slow.changes[0].after == fast.changes[0].after
    assert (slow.recommended_depth, fast.recommended_depth) == (2, 6)
    assert found.best is fast
