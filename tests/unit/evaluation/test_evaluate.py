"""`evaluate`: what it finds, what it keeps, and how it goes on."""

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from rich.console import Console

from bge_rerank import (
    ConfigurationError,
    InvalidInputError,
    MissingDependencyError,
    Reranker,
    RetrievalError,
    ScoringError,
    load_scorer,
)
from bge_rerank.evaluation import Bm25Retriever, Evaluation, LabelledQuery, evaluate
from bge_rerank.evaluation.evaluate import RECORDS_FILE
from bge_rerank.evaluation.report.terminal import print_evaluation
from bge_rerank.evaluation.report.write import write_reports
from calibrations import calibration
from counted_scorer import Counted
from labelled_queries import CANDIDATES, Told, labelled_queries

ROOT = Path(__file__).parents[3]


def without_times(evaluation: Evaluation) -> dict[str, Any]:
    """Return what does not depend on how long anything took."""
    contents = evaluation.as_json()
    for model in contents["models"]:
        del model["latency"], model["verdict"]["reasons"]
        for point in model["depths"]:
            del point["latency"]
    return contents


def records(folder: Path) -> list[Any]:
    return list(map(json.loads, (folder / RECORDS_FILE).read_bytes().splitlines()))


def shortest_first(passage: str) -> float:
    """Be wrong: what answers says so in a longer word than the others."""
    return -float(len(passage))


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


def test_wins_losses_and_ties_are_all_queries(evaluation: Evaluation) -> None:
    told = evaluation.models[0]
    assert told.wins + told.losses + told.ties == evaluation.queries == 100
    assert told.wins == sum(difference > 0 for difference in told.differences)
    assert min(told.wins, told.losses, told.ties) > 0


def test_the_worst_losses_come_with_their_texts(evaluation: Evaluation) -> None:
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


def test_depth_cuts_the_candidates_for_before_and_after() -> None:
    scorer = Counted()
    cut = evaluate(labelled_queries(40), {"long": scorer}, depth=2)
    assert {len(pairs) for pairs in scorer.passes[1:]} == {2}
    assert cut.found < 40
    recall = cut.models[0].changes[2]
    assert recall.before == recall.after


def test_a_reranker_is_measured_with_its_own_settings() -> None:
    first_only = {"one": Reranker(Told(), top_n=1)}
    [one] = evaluate(labelled_queries(40), first_only).models
    recall, hit = one.changes[2:]
    assert recall.before == fmean(
        1 / (1 + query.relevant["missed"]) for query in labelled_queries(40)
    )
    assert hit.before == 1.0
    assert hit.after == pytest.approx(one.changes[1].after)


def test_under_30_queries_give_counts_and_no_figures() -> None:
    few = evaluate(labelled_queries(29), {"told": Told()})
    [told] = few.models
    assert told.verdict.decision == "not enough data"
    assert (told.changes, told.latency, few.best) == ((), None, None)
    assert told.wins + told.losses + told.ties == 29


def test_labels_with_other_ids_than_the_candidates_are_not_enough_data() -> None:
    other = (replace(query, relevant={"other": 1}) for query in labelled_queries(30))
    [told] = evaluate(other, {"told": Told()}).models
    assert "same ids" in told.verdict.reasons[0]


def test_a_query_without_candidates_counts_as_not_found() -> None:
    queries = [replace(query, candidates=[]) for query in labelled_queries(1)]
    nothing = evaluate([*queries, *list(labelled_queries(30))[1:]], {"told": Told()})
    assert nothing.queries == 30
    assert nothing.found == 29
    assert nothing.models[0].differences[0] == 0.0


def test_without_queries_there_is_nothing_to_say() -> None:
    with pytest.raises(InvalidInputError, match="no labelled query"):
        evaluate([], {"told": Told()})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 0}, "depth is 0"),
        ({"k": 2.5}, "k is 2.5"),
        ({"target": 3}, "target is 3"),
        ({"models": {}}, "no model"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        evaluate(labelled_queries(1), **({"models": {"told": Told()}} | settings))


def test_a_tight_budget_and_a_small_corpus_are_noted() -> None:
    noted = evaluate(labelled_queries(1), {"told": Told()}, latency_budget_ms=20, corpus_size=6)
    assert "a budget of 20 ms is tight" in noted.notes[0]
    assert "the corpus has 6 passages" in noted.notes[1]


def test_two_queries_of_one_id_are_refused() -> None:
    twice = [*labelled_queries(2), *labelled_queries(1)]
    with pytest.raises(InvalidInputError, match=r"queries\[2\]: 'id' is 'q0', as of one before"):
        evaluate(twice, {"told": Told()})


@pytest.mark.parametrize("package", ["ir_measures", "scipy.stats"])
def test_a_missing_package_shows_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    scorer = Told()
    with pytest.raises(MissingDependencyError, match=rf"{package}.*'bge-rerank\[evaluate\]'"):
        evaluate(labelled_queries(40), {"told": scorer})
    assert scorer.calls == 0


def test_bm25_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "Stemmer", None)
    with pytest.raises(
        MissingDependencyError, match=r"BM25 needs Stemmer.*'bge-rerank\[evaluate\]'"
    ):
        Bm25Retriever({}, depth=1)


def test_a_lost_query_that_no_encoding_can_hold_can_be_reported(tmp_path: Path) -> None:
    odd = "\ud800 *what* [bold]"
    query = LabelledQuery("q", odd, [("a", f"x 0 {odd}"), ("b", f"x 1 {odd}")], {"a": 1})
    evaluation = evaluate([query], {"told": Told()}, output=tmp_path)
    assert evaluation.models[0].losses == 1
    write_reports(evaluation, tmp_path)
    assert "\ufffd \\*what\\* \\[bold\\]" in (tmp_path / "evaluation.md").read_text()
    console = Console(record=True, width=200, file=StringIO())
    print_evaluation(evaluation, console)
    assert "\ufffd *what* [bold]" in console.export_text()


def without_candidates(count: int) -> Iterator[LabelledQuery]:
    return (replace(query, candidates=None) for query in labelled_queries(count))


def test_a_retriever_is_asked_for_the_candidates() -> None:
    found = {query.query: query.candidates or [] for query in labelled_queries(40)}
    asked = evaluate(without_candidates(40), {"told": Told()}, retriever=found.__getitem__)
    given = evaluate(labelled_queries(40), {"told": Told()})
    assert without_times(asked) == without_times(given)


def test_without_a_retriever_candidates_are_needed() -> None:
    with pytest.raises(InvalidInputError, match="query 'q0' has no candidates"):
        evaluate(without_candidates(1), {"told": Told()})


def test_a_retriever_that_fails_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    found = {query.query: query.candidates or [] for query in labelled_queries(740)}
    asked: list[str] = []

    def retriever(query: str) -> Any:
        asked.append(query)
        if query == "question 700" and len(asked) == 701:
            raise TimeoutError("no answer within 30 s")
        return found[query]

    with pytest.raises(RetrievalError, match=r"query 'q700' \('question 700'\): TimeoutError: no"):
        evaluate(without_candidates(740), {"told": Told()}, retriever=retriever, output=tmp_path)
    assert len(records(tmp_path)) == 701
    evaluate(without_candidates(740), {"told": Told()}, retriever=retriever, output=tmp_path)
    assert asked[701:] == [f"question {number}" for number in range(700, 740)]


@pytest.mark.parametrize("found", [None, ["text"], [("a", "one"), ("a", "two")], [("a", None)]])
def test_a_retriever_that_gives_no_passages_is_named(found: Any) -> None:
    with pytest.raises(RetrievalError, match="query 'q0'"):
        evaluate(without_candidates(1), {"told": Told()}, retriever=lambda _query: found)


def test_a_model_that_fails_leaves_what_was_measured(tmp_path: Path) -> None:
    def fail(number: int) -> None:
        if number == 10:
            raise ScoringError("out of order")

    with pytest.raises(ScoringError):
        evaluate(labelled_queries(40), {"told": Told(fail)}, output=tmp_path, depths=[])
    assert len(records(tmp_path)) == 1 + 9  # the header; a call went into warming up


def killed(folder: Path, count: int, at: int) -> None:
    code = f"from labelled_queries import *\nevaluate_and_be_killed({str(folder)!r}, {count}, {at})"
    paths = [str(ROOT), str(ROOT / "tests" / "support")]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path[:0] = {paths}\n{code}"], check=False
    )
    assert done.returncode == -9


@pytest.mark.light_processes
def test_a_run_that_was_killed_goes_on_to_the_same_result(tmp_path: Path) -> None:
    killed(tmp_path, count=60, at=31)
    assert len(records(tmp_path)) == 16
    with (tmp_path / RECORDS_FILE).open("ab") as file:
        file.write(b'{"id": "q15", "rele')
    scorer = Told()
    resumed = evaluate(labelled_queries(60), {"told": scorer}, output=tmp_path)
    # 45 queries and the warming up; 5 of the first 20 and every tenth at depth 5 too
    assert scorer.calls == 45 + 1 + 5 + 4
    assert without_times(resumed) == without_times(evaluate(labelled_queries(60), {"told": Told()}))
    assert len(records(tmp_path)) == 61


def test_a_finished_run_is_not_measured_again(tmp_path: Path) -> None:
    first = evaluate(labelled_queries(40), {"told": Told()}, output=tmp_path)
    scorer = Told()
    again = evaluate(labelled_queries(40), {"told": scorer}, output=tmp_path)
    assert scorer.calls == 0
    assert again == first


def test_fresh_drops_what_was_there(tmp_path: Path) -> None:
    evaluate(labelled_queries(40), {"told": Told()}, output=tmp_path)
    evaluate(labelled_queries(5), {"told": Told()}, output=tmp_path, depth=2, fresh=True)
    assert len(records(tmp_path)) == 6


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"depth": 2}, "depth was 50 and is 2"),
        ({"k": 3}, "k was 10 and is 3"),
        ({"data": {"file": "b"}}, 'data.file was "a" and is "b"'),
        (
            {"models": {"mini": load_scorer("mini", "torch")}},
            'models.mini.scorer.backend was "auto" and is "torch"',
        ),
        (
            {"models": {"mini": Reranker(load_scorer("mini"))}},
            "models.mini.top_n was null and is 3",
        ),
        (
            {"models": {"mini": Reranker(load_scorer("mini"), top_n=None, fusion="rrf")}},
            'models.mini.fusion was null and is "rrf"',
        ),
        (
            {
                "models": {
                    "mini": Reranker(
                        load_scorer("mini"), None, calibration=calibration(), min_precision=0.8
                    )
                }
            },
            "models.mini.min_logit was null and is ",
        ),
        (
            {"models": {"mini": Reranker(load_scorer("mini"), None, latency_budget_ms=50)}},
            "models.mini.latency_budget_ms was null and is 50",
        ),
    ],
)
def test_other_settings_than_those_of_the_file_are_named(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    settings: dict[str, Any] = {"models": {"mini": load_scorer("mini")}, "data": {"file": "a"}}
    evaluate([LabelledQuery("q", "q", [], {"a": 1})], **settings, output=tmp_path)
    before = (tmp_path / RECORDS_FILE).read_bytes()
    with pytest.raises(ConfigurationError, match=message):
        evaluate(labelled_queries(1), **(settings | changed), output=tmp_path)
    assert (tmp_path / RECORDS_FILE).read_bytes() == before


def test_no_secret_is_written_down(tmp_path: Path) -> None:
    scorer = load_scorer(
        "m", "tei", base_url="http://localhost:1", api_key="secret", headers={"X": "secret"}
    )
    evaluate([LabelledQuery("q", "q", [], {"a": 1})], {"served": scorer}, output=tmp_path)
    assert "localhost:1" in (tmp_path / RECORDS_FILE).read_text()
    assert "secret" not in (tmp_path / RECORDS_FILE).read_text()


@pytest.mark.parametrize("contents", [b"no newline", b'{"_id": "1"}\n', b"text\n", b"[]\n"])
def test_a_file_of_somebody_elses_is_left_alone(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / RECORDS_FILE).write_bytes(contents)
    with pytest.raises(InvalidInputError):
        evaluate(labelled_queries(1), {"told": Told()}, output=tmp_path)
    assert (tmp_path / RECORDS_FILE).read_bytes() == contents


def test_a_header_that_was_cut_off_is_begun_again(tmp_path: Path) -> None:
    evaluate(labelled_queries(2), {"told": Told()}, output=tmp_path)
    file = tmp_path / RECORDS_FILE
    whole = file.read_bytes()
    file.write_bytes(whole[:20])
    evaluate(labelled_queries(2), {"told": Told()}, output=tmp_path)
    assert file.read_bytes().splitlines()[0] == whole.splitlines()[0]


def test_a_broken_line_inside_the_file_is_named(tmp_path: Path) -> None:
    evaluate(labelled_queries(2), {"told": Told()}, output=tmp_path)
    file = tmp_path / RECORDS_FILE
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + b'{"id": "q0"}\n' + lines[2])
    with pytest.raises(InvalidInputError, match=r"evaluation\.jsonl:2: no query"):
        evaluate(labelled_queries(2), {"told": Told()}, output=tmp_path)


class Same:
    """Finds all passages equal, so that nothing is left to test for in the end."""

    def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
        return [0.0 for _ in pairs]


class CountedText(str):
    """A text that knows how many of its kind are held."""

    __slots__ = ()
    held = 0

    def __init__(self, _text: str) -> None:
        CountedText.held += 1

    def __del__(self) -> None:
        CountedText.held -= 1


def test_of_10_000_queries_one_query_has_its_texts_held(tmp_path: Path) -> None:
    most = 0

    def queries() -> Iterator[LabelledQuery]:
        nonlocal most
        for query in labelled_queries(10_000):
            candidates = [(id_, CountedText(text)) for id_, text in query.candidates or ()]
            most = max(most, CountedText.held)
            yield replace(query, candidates=candidates)

    evaluation = evaluate(queries(), {"same": Same()}, output=tmp_path)
    assert evaluation.queries == 10_000
    assert most <= 3 * CANDIDATES  # the query before, this one, and what is made for the next


def test_a_query_leaves_some_hundred_bytes(tmp_path: Path) -> None:
    held: dict[int, int] = {}

    def queries() -> Iterator[LabelledQuery]:
        for number, query in enumerate(labelled_queries(700, words_of_text=200)):
            if number in (100, 699):
                held[number] = tracemalloc.get_traced_memory()[0]
            yield query

    tracemalloc.start()
    evaluate(queries(), {"same": Same()}, output=tmp_path)
    tracemalloc.stop()
    assert (held[699] - held[100]) / 599 < 800  # a query's texts have 14,000
