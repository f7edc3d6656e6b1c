"""`Measuring`: run each query through the first stage and the rerankers, and record its numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, repeat

from bge_rerank.data.labelled import Candidate, LabelledQuery, Retriever, check_candidates
from bge_rerank.errors import InvalidInputError, RetrievalError
from bge_rerank.evaluation.agreement import query_agreement
from bge_rerank.evaluation.depths import DepthPlan, order_at
from bge_rerank.evaluation.keyword_queries import is_keywords
from bge_rerank.evaluation.measures import measure_rankings
from bge_rerank.evaluation.records import QueryRecord
from bge_rerank.evaluation.result import Agreement, Loss, Shown
from bge_rerank.evaluation.tally import SAME
from bge_rerank.inputs import without_lone_surrogates
from bge_rerank.ranking.reranker import Reranker

KEPT_CHARACTERS = 300
"""The most characters of a text to keep, for a query that reranking made worse."""
FIRST_TIMED = 20
"""The number of first queries that are also ranked at each smaller depth, to measure latencies."""
TIMED_EVERY = 10
"""Later, one query in this many is: that adds a tenth to the run time at most."""

Measured = tuple[float, ...]
"""Numbers of a query: several measures of a ranking, or one measure at several depths."""


@dataclass(frozen=True, slots=True)
class Measuring:
    """Measures of queries by their first `k` passages, with each reranker, at each depth of the plan.

    The retriever finds the candidates of queries whose `candidates` are `None`. `started` is called once,
    when the models are loaded and before the first query is measured.
    """

    rerankers: Mapping[str, Reranker]
    retriever: Retriever | None
    k: int
    plan: DepthPlan
    started: Callable[[], None] = lambda: None

    def records(self, queries: Iterable[LabelledQuery], earlier: int = 0) -> Iterator[QueryRecord]:
        """Measure the queries one after the other, and yield the numbers of each.

        Each model ranks one passage first, so that loading the weights is not timed. Latency at smaller
        depths is measured on the queries for which `is_timed` holds.

        Args:
            queries: The queries to measure.
            earlier: How many queries an earlier run measured.

        Raises:
            InvalidInputError: `candidates` of a query and `retriever` are both `None`.
            RetrievalError: The retriever failed; the message names the query.
            ScoringError: A model failed.
        """
        warm = False
        for number, labelled in enumerate(queries, earlier):
            candidates = self._candidates(labelled)[: self.plan.depths[-1]]
            if candidates and not warm:
                self._warm_up(labelled.query, candidates[0][1])
                self.started()
                warm = True
            yield self._record(labelled, candidates, timed=is_timed(number))

    def _candidates(self, labelled: LabelledQuery) -> Sequence[Candidate]:
        if labelled.candidates is not None:
            return labelled.candidates
        if self.retriever is None:
            raise InvalidInputError(
                f"query {labelled.id!r:.80} has no candidates; give candidates, or a retriever"
            )
        return _retrieved(self.retriever, labelled)

    def _warm_up(self, query: str, text: str) -> None:
        for reranker in self.rerankers.values():
            reranker.rerank(query, [text])

    def _record(
        self, labelled: LabelledQuery, candidates: Sequence[Candidate], *, timed: bool
    ) -> QueryRecord:
        orders: dict[str, list[int]] = {}
        milliseconds: dict[str, float] = {}
        agreement: dict[str, Agreement] = {}
        depth_milliseconds: dict[str, tuple[float, ...]] = {}
        texts = [text for _, text in candidates]
        for name, reranker in self.rerankers.items():
            orders[name], milliseconds[name] = _ranked(reranker, labelled.query, texts)
            agreement[name] = query_agreement(orders[name], len(candidates))
            if timed and self.plan.has_cost(name):
                depth_milliseconds[name] = self._depth_milliseconds(
                    reranker, labelled.query, texts, milliseconds[name]
                )
        before, after, depths = self._measured(labelled.relevant, candidates, orders)
        relevant = {id_ for id_, grade in labelled.relevant.items() if grade > 0}
        return QueryRecord(
            id=labelled.id,
            relevant=len(relevant),
            found=len(relevant & {id_ for id_, _ in candidates}),
            before=before,
            after=after,
            milliseconds=milliseconds,
            losses={
                name: _loss(labelled, after[name][0] - before[0], candidates, order)
                for name, order in orders.items()
                if after[name][0] - before[0] < -SAME
            },
            agreement=agreement,
            keywords=is_keywords(labelled.query),
            candidates=len(candidates),
            depths=depths,
            depth_milliseconds=depth_milliseconds,
        )

    def _depth_milliseconds(
        self, reranker: Reranker, query: str, texts: Sequence[str], whole: float
    ) -> Measured:
        """Return the latency at each smaller depth; `whole` is that of depths with all candidates."""
        return tuple(
            _ranked(reranker, query, texts[:depth])[1] if depth < len(texts) else whole
            for depth in self.plan.smaller
        )

    def _measured(
        self,
        relevant: Mapping[str, int],
        candidates: Sequence[Candidate],
        orders: Mapping[str, Sequence[int]],
    ) -> tuple[Measured, dict[str, Measured], dict[str, Measured]]:
        """Return the measures before, those after by model, and nDCG at each smaller depth by model."""
        curved = [name for name in orders if self.plan.has_curve(name)]
        shallow = [depth for depth in self.plan.smaller if depth < len(candidates)]
        cut = [order_at(depth, orders[name]) for name in curved for depth in shallow]
        rankings = [
            [candidates[place][0] for place in order]
            for order in (range(len(candidates)), *orders.values(), *cut)
        ]
        # One call, because many rankings cost little more than one.
        values = measure_rankings(relevant, rankings, self.k)
        before, *measured = [tuple(each.values()) for each in values]
        after = dict(zip(orders, measured, strict=False))
        ndcg = iter(each[0] for each in measured[len(orders) :])
        deep = len(self.plan.smaller) - len(shallow)
        depths = {
            name: (*islice(ndcg, len(shallow)), *repeat(after[name][0], deep)) for name in curved
        }
        return before, after, depths


def is_timed(number: int) -> bool:
    """Say whether to rank a query at the smaller depths too, by its number from 0.

    >>> [number for number in range(45) if is_timed(number)][18:]
    [18, 19, 20, 30, 40]
    """
    return number < FIRST_TIMED or number % TIMED_EVERY == 0


def _ranked(reranker: Reranker, query: str, texts: Sequence[str]) -> tuple[list[int], float]:
    """Return the positions of the texts kept, best first, and the latency in milliseconds."""
    started = time.perf_counter()
    ranking = reranker.rerank(query, texts)
    milliseconds = 1e3 * (time.perf_counter() - started)
    return [ranked.index for ranked in ranking], milliseconds


def _retrieved(retriever: Retriever, labelled: LabelledQuery) -> list[Candidate]:
    what = f"the first stage failed for query {labelled.id!r:.80} ({labelled.query!r:.80})"
    try:
        found = list(retriever(labelled.query))
        check_candidates(found, "candidates")
    except Exception as error:
        raise RetrievalError(f"{what}: {type(error).__name__}: {error}") from error
    return found


def _loss(
    labelled: LabelledQuery,
    difference: float,
    candidates: Sequence[Candidate],
    order: Sequence[int],
) -> Loss:
    return Loss(
        labelled.id,
        _beginning(labelled.query),
        difference,
        _shown(candidates[0]),
        _shown(candidates[order[0]]) if order else None,
    )


def _shown(candidate: Candidate) -> Shown:
    id_, text = candidate
    return Shown(id_, _beginning(text))


def _beginning(text: str) -> str:
    """Return the start of a text, without characters that no encoding can hold."""
    return without_lone_surrogates(text[:KEPT_CHARACTERS])
