"""The tests that the retrievers of both adapters must pass. The test module of each subclasses it."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from adapter_contract import ITEMS, FixedScorer, Item
from bge_rerank import InvalidInputError, NonFiniteScoreError, Ranking
from conftest import PASSAGES, QUERY
from counted_scorer import Counted

Find = Callable[[str], Sequence[Item]]


def finding(items: Sequence[Item] = ITEMS) -> Find:
    return lambda query: items


class RetrieverContract(ABC):
    """Subclass it with the methods that make a retriever and call it."""

    @abstractmethod
    def make(self, find: Find, **fields: Any) -> Any:
        """Return the adapter's retriever around one of the framework that finds the items of `find`."""

    @abstractmethod
    def adapter(self, retriever: Any) -> Any:
        """Return its compressor or postprocessor."""

    @abstractmethod
    def ask(self, retriever: Any, query: str) -> list[Item]:
        """Retrieve."""

    @abstractmethod
    async def aask(self, retriever: Any, query: str) -> list[Item]:
        """Retrieve on the event loop."""

    def asked_both_ways(self, retriever: Any) -> list[list[Item]]:
        return [self.ask(retriever, QUERY), asyncio.run(self.aask(retriever, QUERY))]

    def test_the_found_items_are_reranked(self) -> None:
        queries: list[str] = []

        def find(query: str) -> Sequence[Item]:
            queries.append(query)
            return ITEMS

        for items in self.asked_both_ways(self.make(find, model_name="mini", top_n=1)):
            [best] = items
            assert (best.id, best.text) == ("1", PASSAGES[1])
            assert 0 < best.metadata["rerank_score"] < 1
        assert queries == [QUERY] * 2

    def test_on_ranking_receives_all_three_tiers_in_order(self) -> None:
        rankings: list[Ranking] = []
        options = {"prefilter": "bm25", "keep": 2, "on_ranking": rankings.append}
        retriever = self.make(finding(), scorer=FixedScorer([0, 2]), top_n=1, **options)
        assert [[item.id for item in items] for items in self.asked_both_ways(retriever)] == [
            ["1"],
            ["1"],
        ]
        for ranking in rankings:
            tiers = [(tier.name, tier.received, tier.kept) for tier in ranking.tiers]
            assert tiers == [("retriever", None, 4), ("bm25", 4, 2), ("FixedScorer", 2, 1)]
            assert all(tier.seconds >= 0 for tier in ranking.tiers)
            assert (ranking.query, ranking.texts) == (QUERY, PASSAGES)
        assert len(rankings) == 2

    def test_the_adapter_inside_is_not_changed(self) -> None:
        rankings: list[Ranking] = []
        on_ranking = rankings.append
        retriever = self.make(finding(), scorer=FixedScorer([0.0] * 4), on_ranking=on_ranking)
        self.asked_both_ways(retriever)
        assert self.adapter(retriever).on_ranking is on_ranking

    def test_a_field_changed_takes_effect_on_the_next_call(self) -> None:
        retriever = self.make(finding(), scorer=FixedScorer([0.0] * 4), on_ranking=print)
        self.adapter(retriever).top_n = 1
        assert [len(items) for items in self.asked_both_ways(retriever)] == [1, 1]

    def test_the_timings_of_a_budget_are_kept(self) -> None:
        found = [Item(str(number), f"passage {number}", {}) for number in range(12)]
        options = {"latency_budget_ms": 60_000, "top_n": None, "on_ranking": print}
        retriever = self.make(finding(found), scorer=Counted(), **options)
        for _ in range(3):
            items = self.ask(retriever, QUERY)
        assert all("rerank_score" in item.metadata for item in items)

    def test_if_nothing_is_found_no_model_is_loaded(self) -> None:
        rankings: list[Ranking] = []
        options = {"model_name": "/no/such/folder", "on_ranking": rankings.append}
        assert self.asked_both_ways(self.make(finding([]), **options)) == [[], []]
        assert [[tier.kept for tier in ranking.tiers] for ranking in rankings] == [[0, 0]] * 2

    @pytest.mark.parametrize("on_ranking", [None, print])
    def test_errors_of_the_retriever_are_raised(self, on_ranking: Any) -> None:
        def fail(query: str) -> Sequence[Item]:
            raise ConnectionError("the store is away")

        retriever = self.make(
            fail, scorer=FixedScorer([0.0]), on_error="passthrough", on_ranking=on_ranking
        )
        with pytest.raises(ConnectionError, match="the store is away"):
            self.ask(retriever, QUERY)
        with pytest.raises(ConnectionError, match="the store is away"):
            asyncio.run(self.aask(retriever, QUERY))

    def test_errors_of_reranking_are_raised(self) -> None:
        retriever = self.make(finding(), scorer=FixedScorer([float("nan")] * 4))
        with pytest.raises(NonFiniteScoreError):
            self.ask(retriever, QUERY)
        with pytest.raises(NonFiniteScoreError):
            asyncio.run(self.aask(retriever, QUERY))
        with pytest.raises(InvalidInputError, match="query is empty"):
            self.ask(retriever, " ")

    def test_passthrough_returns_the_found_items(self) -> None:
        rankings: list[Ranking] = []
        options = {"on_error": "passthrough", "on_ranking": rankings.append, "top_n": 2}
        retriever = self.make(finding(), scorer=FixedScorer([float("nan")] * 4), **options)
        for items in self.asked_both_ways(retriever):
            assert [item.id for item in items] == ["0", "1"]
            assert all("nan" in item.metadata["rerank_error"] for item in items)
        assert rankings == []
