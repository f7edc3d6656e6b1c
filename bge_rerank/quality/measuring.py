"""`Measuring`: one query at a time through the first stage and the rerankers, to its numbers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bge_rerank.errors import InvalidInputError, RetrievalError
from bge_rerank.inputs import without_lone_surrogates
from bge_rerank.quality.agreement import query_agreement
from bge_rerank.quality.labelled import Candidate, LabelledQuery, Retriever, check_candidates
from bge_rerank.quality.measures import measure_names, measure_rankings
from bge_rerank.quality.records import Record
from bge_rerank.quality.result import Agreement, Loss, Shown
from bge_rerank.quality.tally import SAME
from bge_rerank.reranker import Reranker

SHOWN_CHARACTERS = 300
"""How much of a text is kept of a query that was lost."""


@dataclass(frozen=True, slots=True)
class Measuring:
    """What queries are measured with.

    Attributes:
        rerankers: By the names of their models.
        retriever: The first stage, for queries that come without candidates.
        depth: The most candidates of a query that are reranked.
        k: How many of the first passages the measures look at.
    """

    rerankers: Mapping[str, Reranker]
    retriever: Retriever | None
    depth: int
    k: int

    def records(self, queries: Iterable[LabelledQuery]) -> Iterator[Record]:
        """Measure one query after the other.

        Before the first one each model ranks a passage, so that loading its weights is not timed.

        Raises:
            InvalidInputError: A query has no candidates, and there is no retriever.
            RetrievalError: The retriever failed; it names the query.
            ScoringError: A model failed.
        """
        warm = False
        for labelled in queries:
            candidates = self._candidates(labelled)[: self.depth]
            if candidates and not warm:
                self._warm_up(labelled.query, candidates[0][1])
                warm = True
            yield self._record(labelled, candidates)

    def _candidates(self, labelled: LabelledQuery) -> Sequence[Candidate]:
        if labelled.candidates is not None:
            return labelled.candidates
        if self.retriever is None:
            raise InvalidInputError(
                f"query {labelled.id!r:.80} has no candidates; give some, or a retriever"
            )
        return _retrieved(self.retriever, labelled)

    def _warm_up(self, query: str, text: str) -> None:
        for reranker in self.rerankers.values():
            reranker.rerank(query, [text])

    def _record(self, labelled: LabelledQuery, candidates: Sequence[Candidate]) -> Record:
        rankings: dict[str, list[Candidate]] = {}
        milliseconds: dict[str, float] = {}
        agreement: dict[str, Agreement] = {}
        texts = [text for _, text in candidates]
        for name, reranker in self.rerankers.items():
            started = time.perf_counter()
            ranking = reranker.rerank(labelled.query, texts)
            milliseconds[name] = 1e3 * (time.perf_counter() - started)
            places = [ranked.index for ranked in ranking]
            rankings[name] = [candidates[place] for place in places]
            agreement[name] = query_agreement(places, len(candidates))
        before, *measured = self._measured(labelled.relevant, [candidates, *rankings.values()])
        after = dict(zip(rankings, measured, strict=True))
        relevant = {id_ for id_, grade in labelled.relevant.items() if grade > 0}
        return Record(
            id=labelled.id,
            relevant=len(relevant),
            found=len(relevant & {id_ for id_, _ in candidates}),
            before=before,
            after=after,
            milliseconds=milliseconds,
            losses={
                name: _loss(labelled, after[name][0] - before[0], candidates, ranking)
                for name, ranking in rankings.items()
                if after[name][0] - before[0] < -SAME
            },
            agreement=agreement,
        )

    def _measured(
        self, relevant: Mapping[str, int], rankings: Sequence[Sequence[Candidate]]
    ) -> list[tuple[float, ...]]:
        ids = [[id_ for id_, _ in ranking] for ranking in rankings]
        names = measure_names(self.k)
        return [
            tuple(values[name] for name in names)
            for values in measure_rankings(relevant, ids, self.k)
        ]


def _retrieved(retriever: Retriever, labelled: LabelledQuery) -> list[Candidate]:
    what = f"the first stage failed for query {labelled.id!r:.80} ({labelled.query!r:.80})"
    try:
        found = list(retriever(labelled.query))
        check_candidates(found, "what it found")
    except Exception as error:
        raise RetrievalError(f"{what}: {type(error).__name__}: {error}") from error
    return found


def _loss(
    labelled: LabelledQuery,
    difference: float,
    before: Sequence[Candidate],
    after: Sequence[Candidate],
) -> Loss:
    return Loss(
        labelled.id,
        _beginning(labelled.query),
        difference,
        _shown(before[0]),
        _shown(after[0]) if after else None,
    )


def _shown(candidate: Candidate) -> Shown:
    id_, text = candidate
    return Shown(id_, _beginning(text))


def _beginning(text: str) -> str:
    """Return what a report can hold of a text, in any encoding of Unicode."""
    return without_lone_surrogates(text[:SHOWN_CHARACTERS])
