"""`evaluate`: does reranking help here? Measured on labelled queries, before and after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

from bge_rerank.data.labelled import LabelledQuery, Retriever, check_labelled
from bge_rerank.errors import ConfigurationError, InvalidInputError
from bge_rerank.evaluation.depths import plan_depths
from bge_rerank.evaluation.describe import describe_reranker
from bge_rerank.evaluation.measures import measure_names
from bge_rerank.evaluation.measuring import Measuring
from bge_rerank.evaluation.records import RecordFile
from bge_rerank.evaluation.result import Evaluation
from bge_rerank.evaluation.summary import build_evaluation
from bge_rerank.evaluation.tally import Tally
from bge_rerank.evaluation.verdict import Demands
from bge_rerank.extras import needs_extra
from bge_rerank.ranking.reranker import Reranker
from bge_rerank.types import Scorer

RECORDS_FILE = "evaluation.jsonl"
"""The numbers of each query, in the output folder."""


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
) -> Evaluation:
    """Rank each query's candidates with each model, and say whether that helps.

    Memory holds one query's texts at a time, and some numbers of each query.

    Args:
        queries: The labelled queries: of `read_jsonl`, `read_frame`, or your own.
        models: A name to a scorer or a `Reranker`. A scorer ranks all candidates. A `Reranker` ranks
            with its own settings: a passage that its `top_n` leaves out counts as not found.
        retriever: The first stage, for queries whose `candidates` are `None`: takes a query and
            returns (id, text) pairs, best first.
        depth: The most candidates of a query that are reranked, the first ones.
        depths: Smaller depths to compare; `None` for 5, 10, 20, 50, 100, 200 and so on, an empty
            list for none. Their quality needs no scoring: the order follows from the whole depth.
            So give an empty list where a scorer of your own compares the passages of a call. Their
            latency is measured on the first 20 queries and every tenth after them. With a
            `score_cache` it is not measured, and a server that keeps scores makes it too short. A
            `Reranker` whose settings leave candidates out has no smaller depths.
        k: How many of the first passages the measures look at.
        target: The nDCG@k (0..1) that is enough: where the first stage has it, do not rerank.
        latency_budget_ms: The limit of a query's latency (95th percentile), in milliseconds.
        corpus_size: How many passages there are to search, where that is known.
        output: A folder for the numbers of each query. A later run with the same settings does not
            measure these queries again.
        fresh: Delete the numbers of an earlier run.
        data: The data's identity, as JSON can hold it. Numbers of other data are refused.

    Returns:
        Means before and after, paired differences with 95 % intervals, latencies, wins and losses,
        quality and latency by depth, the depth recommended, and a verdict for each model. Of fewer
        than 30 queries, no means.

    Raises:
        ConfigurationError: A setting cannot work, or the output was measured with others.
        InvalidInputError: There is no query, or one cannot be evaluated on.
        MissingDependencyError: A package of the extra `evaluate` is not installed.
        RetrievalError: The retriever failed; it names the query. What was measured is kept.
        ScoringError: A model failed. What was measured is kept.

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
    measuring = Measuring(rerankers, retriever, k, plan)
    with _record_file(output, settings, fresh=fresh) as file:
        for record in file.read() if file else ():
            if record.id not in tally.ids:  # two runs at once may have written it twice
                tally.add(record)
        remaining = _not_measured(queries, frozenset(tally.ids))
        for record in measuring.records(remaining, earlier=len(tally)):
            if file:
                file.add(record)
            tally.add(record)
    if not len(tally):
        raise InvalidInputError("there is no labelled query; give some to evaluate on")
    return build_evaluation(tally, settings, k, plan, demands)


def check_packages() -> None:
    """Import the packages of the extra, so that a missing one fails before any work.

    Raises:
        MissingDependencyError: A package of the extra `evaluate` is not installed.
    """
    with needs_extra("evaluate", "the evaluation"):
        for package in ("ir_measures", "scipy.stats"):
            import_module(package)


def _check(**numbers: int) -> None:
    for name, value in numbers.items():
        if type(value) is not int or value < 1:
            raise ConfigurationError(f"{name} is {value!r}; give a whole number from 1 on")


def _rerankers(models: Mapping[str, Scorer | Reranker]) -> dict[str, Reranker]:
    if not models:
        raise ConfigurationError("there is no model to evaluate; give one or more")
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


def _not_measured(
    queries: Iterable[LabelledQuery], earlier: frozenset[str]
) -> Iterator[LabelledQuery]:
    """Check the queries, and leave out those of an earlier run."""
    seen: set[str] = set()
    for number, labelled in enumerate(queries):
        check_labelled(labelled, f"queries[{number}]")
        if labelled.id in seen:
            raise InvalidInputError(
                f"queries[{number}]: 'id' is {labelled.id!r:.80}, as of one before; ids must differ"
            )
        seen.add(labelled.id)
        if labelled.id not in earlier:
            yield labelled
