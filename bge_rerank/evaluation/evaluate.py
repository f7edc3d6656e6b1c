"""`evaluate`: measure labelled queries before and after reranking, and say whether it helps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from bge_rerank.data.labelled import LabelledQuery, Retriever, check_labelled
from bge_rerank.errors import ConfigurationError, InvalidInputError
from bge_rerank.evaluation.depths import plan_depths
from bge_rerank.evaluation.measures import measure_names
from bge_rerank.evaluation.measuring import Measuring
from bge_rerank.evaluation.records import RecordFile
from bge_rerank.evaluation.result import Evaluation, Run
from bge_rerank.evaluation.runs import describe_run
from bge_rerank.evaluation.summary import build_evaluation
from bge_rerank.evaluation.tally import Tally
from bge_rerank.evaluation.verdict import Demands
from bge_rerank.extras import needs_extra
from bge_rerank.ranking.describe import describe_reranker
from bge_rerank.ranking.reranker import Reranker
from bge_rerank.types import Scorer

RECORDS_FILE = "evaluation.jsonl"
"""The file in the output folder with the numbers of each query."""


def evaluate(
    queries: Iterable[LabelledQuery],
    models: Mapping[str, Scorer | Reranker],
    *,
    retriever: Retriever | None = None,
    depth: int = 50,
    depths: Sequence[int] | None = None,
    k: int = 10,
    target: float | None = None,
    latency_budget_ms: float | None = None,
    corpus_size: int | None = None,
    output: Path | str | None = None,
    fresh: bool = False,
    data: Mapping[str, Any] | None = None,
    source: str | None = None,
) -> Evaluation:
    """Rank each query's candidates with each model, and say whether reranking helps.

    Queries without a relevant passage are counted and left out, because no ranking can do well on
    them. Memory holds the texts of one query at a time, and some numbers of every query.

    Args:
        queries: The labelled queries, from `read_jsonl`, `read_frame` or your own code.
        models: Name to scorer or `Reranker`. A scorer ranks all candidates. A `Reranker` ranks with
            its own settings: a passage that its `top_n` leaves out counts as not found.
        retriever: The first stage, for queries whose `candidates` are `None`: a function that takes a
            query and returns (id, text) tuples, best first.
        depth: How many of a query's first candidates to rerank.
        depths: Smaller depths to compare. `None` compares 5, 10, 20, 50, 100, 200 and so on; an empty
            list compares none. Their quality needs no scoring, because the order follows from the
            whole ranking; so give an empty list if your scorer compares the passages of a call. Their
            latency is measured on the first 20 queries and every tenth after them, but not with a
            `score_cache`. A server that keeps scores makes it too short. A `Reranker` whose settings
            leave candidates out has no smaller depths.
        k: How many of the first passages the measures count.
        target: The nDCG@k (0..1) that is enough. If the first stage reaches it, the verdict is not to
            rerank.
        latency_budget_ms: The limit of a query's latency at the 95th percentile, in milliseconds.
        corpus_size: The number of passages to search, if known.
        output: A folder for the numbers of each query. A later run with the same settings does not
            measure these queries again.
        fresh: Delete the numbers of an earlier run first.
        data: Plain values that identify the data. Numbers of other data in `output` are refused.
        source: Where the data is, for the report: a path or an id.

    Returns:
        Means before and after, paired differences with 95 % intervals, latencies, counts of better
        and worse queries, quality and latency by depth, a recommended depth, and a verdict for each
        model. Means need 30 queries or more.

    Raises:
        ConfigurationError: A setting cannot work, or the output was measured with other settings.
        InvalidInputError: `queries` is empty, no query has a relevant passage, or a query is not
            valid.
        MissingDependencyError: A package of the extra `evaluate` is not installed.
        RetrievalError: The retriever failed; the message names the query. Earlier queries are kept.
        ScoringError: A model failed. Earlier queries are kept.

    >>> from bge_rerank.backends.bm25 import Bm25Scorer
    >>> query = LabelledQuery("q", "tides", [("a", "bread"), ("b", "the tides")], {"b": 1})
    >>> evaluation = evaluate([query], {"BM25": Bm25Scorer()})
    >>> evaluation.models[0].wins, evaluation.models[0].verdict.decision
    (1, 'not enough data')
    """
    check_packages()
    demands = Demands(target, latency_budget_ms, corpus_size)
    demands.check()
    _check(depth=depth, k=k)
    rerankers = _rerankers(models)
    plan = plan_depths(rerankers, depths, depth)
    described = {name: describe_reranker(reranker) for name, reranker in rerankers.items()}
    settings = {"data": data, "depth": depth, "depths": plan.depths, "k": k}
    settings |= {"models": described}
    tally = Tally(list(rerankers), len(measure_names(k)), len(plan.smaller))
    runs: list[Run] = []
    with _record_file(output, settings, fresh=fresh) as file:
        for entry in file.read() if file else ():
            if isinstance(entry, Run):
                runs.append(entry)
            elif entry.id not in tally.ids:  # two runs at once may have written a query twice
                tally.add(entry)

        def started() -> None:
            runs.append(describe_run(rerankers, source))
            if file:
                file.add(runs[-1])

        usable = _Usable(queries, frozenset(tally.ids))
        measuring = Measuring(rerankers, retriever, k, plan, started)
        for record in measuring.records(usable, earlier=len(tally)):
            if file:
                file.add(record)
            tally.add(record)
    usable.check(measured=len(tally))
    found = build_evaluation(tally, settings, k, plan, demands)
    return replace(found, without_relevant=usable.without_relevant, runs=tuple(runs))


def check_packages() -> None:
    """Import the packages of the extra, so that a missing package fails before any work.

    Raises:
        MissingDependencyError: A package of the extra `evaluate` is not installed.
    """
    with needs_extra("evaluate", "the evaluation"):
        for package in ("ir_measures", "scipy.stats"):
            import_module(package)


def _check(**numbers: int) -> None:
    for name, value in numbers.items():
        if type(value) is not int or value < 1:
            raise ConfigurationError(f"{name} is {value!r}; give a whole number, 1 or more")


def _rerankers(models: Mapping[str, Scorer | Reranker]) -> dict[str, Reranker]:
    if not models:
        raise ConfigurationError("models is empty; give one model or more")
    return {
        name: model if isinstance(model, Reranker) else Reranker(model, top_n=None)
        for name, model in models.items()
    }


def _record_file(
    output: Path | str | None, settings: Mapping[str, Any], *, fresh: bool
) -> closing[RecordFile] | nullcontext[None]:
    if output is None:
        return nullcontext()
    return closing(RecordFile(Path(output) / RECORDS_FILE, settings, fresh=fresh))


@dataclass(slots=True)
class _Usable:
    """The queries to measure, checked; those without a relevant passage are counted and left out."""

    queries: Iterable[LabelledQuery]
    earlier: frozenset[str]
    without_relevant: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[LabelledQuery]:
        """Yield the queries that an earlier run did not measure."""
        seen: set[str] = set()
        for number, labelled in enumerate(self.queries):
            check_labelled(labelled, f"queries[{number}]")
            if labelled.id in seen:
                raise InvalidInputError(
                    f"queries[{number}]: 'id' is {labelled.id!r:.80}, as of an earlier query; "
                    "ids must differ"
                )
            seen.add(labelled.id)
            if not labelled.has_relevant:
                self.without_relevant += 1
            elif labelled.id not in self.earlier:
                yield labelled

    def check(self, *, measured: int) -> None:
        """Refuse data on which nothing could be measured."""
        if measured:
            return
        if self.without_relevant:
            raise InvalidInputError(
                f"none of the queries ({self.without_relevant}) has a relevant passage; "
                "label relevant passages with a grade of 1 or more"
            )
        raise InvalidInputError("the data has no labelled queries; give some to evaluate on")
