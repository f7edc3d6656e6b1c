"""The tests that both adapters must pass. The test module of each subclasses `AdapterContract`."""

import asyncio
import copy
import json
import pickle
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import ValidationError, model_validator

import bge_rerank_mini
from bge_rerank import (
    CalibrationError,
    ConfigurationError,
    InvalidInputError,
    MissingDependencyError,
    ModelLoadError,
    NonFiniteScoreError,
    Ranking,
    ScoringError,
    ServerError,
    Tier,
    load_scorer,
)
from bge_rerank.adapters.settings import RerankerSettings
from bge_rerank.logits import sigmoid
from bge_rerank.ranking.fusion import fused_score
from bge_rerank.scoring.identity import ScoredBy
from bge_rerank.scoring.loading import _loaded
from calibrations import calibration
from conftest import PASSAGES, QUERY
from counted_scorer import Counted
from fake_server import FakeServer, logit_of, running, status


@dataclass
class FixedScorer:
    """A scorer with fixed logits that records its calls."""

    logits: Sequence[float]

    def __post_init__(self) -> None:
        self.asked: list[list[tuple[str, str]]] = []

    def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
        self.asked.append(list(pairs))
        return list(self.logits[: len(pairs)])


class AwaitedScorer(FixedScorer):
    """A scorer that scores only on the event loop."""

    def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
        raise AssertionError("the sync method was called")

    async def ascore(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
        await asyncio.sleep(0)
        return list(self.logits[: len(pairs)])


@dataclass(frozen=True)
class Item:
    """A document or a node. Its first-stage score is `metadata["retrieval_score"]`."""

    id: str
    text: str
    metadata: dict[str, Any]


ITEMS = [
    Item(str(index), text, {"title": f"Title {index}", "nested": {"page": index}})
    for index, text in enumerate(PASSAGES)
]


def scored_items(*scores: Any) -> list[Item]:
    return [
        Item(item.id, item.text, {**item.metadata, "retrieval_score": score})
        for item, score in zip(ITEMS, scores, strict=True)
    ]


class AdapterContract(ABC):
    """Subclass it with the adapter's class and the methods that call it."""

    adapter: ClassVar[type[RerankerSettings]]
    items: ClassVar[str]
    """The name of the parameter that takes documents or nodes."""
    instead: ClassVar[str]
    """The example of one in error messages, as a pattern."""

    @abstractmethod
    def make(self, item: Item) -> Any:
        """Return the framework's own object."""

    @abstractmethod
    def read(self, made: Any) -> Item:
        """Return the item of such an object, with all metadata."""

    @abstractmethod
    def call(self, adapter: Any, made: Any, query: str) -> list[Any]:
        """Rerank."""

    @abstractmethod
    async def acall(self, adapter: Any, made: Any, query: str) -> list[Any]:
        """Rerank on the event loop."""

    def ranked(self, adapter: Any, items: Sequence[Item] = ITEMS) -> list[Item]:
        return [self.read(out) for out in self.call(adapter, list(map(self.make, items)), QUERY)]

    def fixed(self, logits: Sequence[float], **fields: Any) -> Any:
        return self.adapter(scorer=FixedScorer(logits), **fields)

    def test_the_passage_that_answers_is_first(self) -> None:
        assert self.ranked(self.adapter(model_name="mini", top_n=1))[0].id == "1"

    def test_rerank_score_is_the_sigmoid_as_a_python_float(self) -> None:
        scores = [item.metadata["rerank_score"] for item in self.ranked(self.fixed([0, 2, -2, 1]))]
        assert scores == [0.8807970779778823, 0.7310585786300049, 0.5]
        assert [type(score) for score in scores] == [float] * 3

    def test_id_text_and_metadata_are_kept(self) -> None:
        for item in self.ranked(self.fixed([0, 2, -2, 1], top_n=None)):
            original = ITEMS[int(item.id)]
            assert item.text == original.text
            assert item.metadata.items() >= original.metadata.items()

    def test_the_input_is_never_changed(self) -> None:
        made = list(map(self.make, ITEMS))
        before = copy.deepcopy(made)
        out = self.call(self.fixed([0, 2, -2, 1]), made, QUERY)
        assert made == before
        assert not {id(item) for item in out} & {id(item) for item in made}

    def test_a_duplicate_object_is_copied_twice(self) -> None:
        made = [self.make(ITEMS[0])] * 2
        adapter = self.fixed([1.0])
        first, second = self.call(adapter, made, QUERY)
        assert first is not second
        assert self.read(first) == self.read(second)
        assert adapter.scorer.asked == [[(QUERY, PASSAGES[0])]]

    def test_the_logit_decides_the_order_where_the_sigmoid_is_saturated(self) -> None:
        ranked = self.ranked(self.fixed([50.0, 80.0, 60.0, 70.0], top_n=None))
        assert [item.id for item in ranked] == ["1", "3", "2", "0"]

    def test_ties_keep_input_order(self) -> None:
        ranked = self.ranked(self.fixed([1.0] * 4, top_n=None))
        assert [item.id for item in ranked] == ["0", "1", "2", "3"]

    def test_top_n_defaults_to_three(self) -> None:
        assert len(self.ranked(self.fixed([0, 1, 2, 3]))) == 3

    def test_top_n_none_keeps_all(self) -> None:
        assert len(self.ranked(self.fixed([0, 1, 2, 3], top_n=None))) == 4

    def test_top_n_may_exceed_the_number_of_candidates(self) -> None:
        assert len(self.ranked(self.fixed([0, 1, 2, 3], top_n=99))) == 4

    def test_the_threshold_is_inclusive_and_applies_before_top_n(self) -> None:
        ranked = self.ranked(self.fixed([0.0, 3.0, -0.001, 2.0], score_threshold=0.5, top_n=None))
        assert [item.id for item in ranked] == ["1", "3", "0"]
        assert self.ranked(self.fixed([-1, -2, -3, -4], score_threshold=0.5)) == []

    def test_a_threshold_of_zero_is_a_threshold(self) -> None:
        assert len(self.ranked(self.fixed([-800.0] * 4, score_threshold=0.0, top_n=None))) == 4

    def test_an_empty_list_gives_an_empty_list_and_loads_no_model(self) -> None:
        loaded = dict(_loaded)
        adapter = self.adapter(model_name="/no/such/folder")
        assert self.call(adapter, [], QUERY) == []
        assert asyncio.run(self.acall(adapter, [], QUERY)) == []
        assert _loaded == loaded

    def test_async_gives_the_same_as_sync(self) -> None:
        adapter = self.adapter(model_name="mini", top_n=None)
        made = list(map(self.make, ITEMS))
        out = asyncio.run(self.acall(adapter, made, QUERY))
        assert [self.read(item) for item in out] == self.ranked(adapter)

    def test_async_awaits_an_async_scorer(self) -> None:
        adapter = self.adapter(scorer=AwaitedScorer([0, 2, -2, 1]))
        out = asyncio.run(self.acall(adapter, list(map(self.make, ITEMS)), QUERY))
        assert [self.read(item).id for item in out] == ["1", "3", "0"]

    def test_async_leaves_the_event_loop_free(self) -> None:
        adapter = self.adapter(model_name="mini")
        made = [self.make(Item("0", PASSAGES[1] * 30, {}))] * 20

        async def ticks_while_reranking() -> int:
            task = asyncio.create_task(self.acall(adapter, made, QUERY))
            ticks = 0
            while not task.done():
                await asyncio.sleep(0.001)
                ticks += 1
            return ticks

        self.ranked(adapter)
        assert asyncio.run(ticks_while_reranking()) > 5

    async def test_concurrent_async_calls_share_a_pass(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        weights = load_scorer("mini", "torch").loaded()
        score, passes = type(weights).score, []

        def counted(scorer: Any, pairs: Sequence[tuple[str, str]], /) -> list[float]:
            passes.append(len(pairs))
            return score(scorer, pairs)

        monkeypatch.setattr(type(weights), "score", counted)
        adapter = self.adapter(model_name="mini", backend="torch", top_n=1)
        made = list(map(self.make, ITEMS))
        queries = [f"{QUERY} {number}" for number in range(20)]
        outs = await asyncio.gather(*(self.acall(adapter, made, query) for query in queries))
        assert passes == [20 * len(ITEMS)]
        assert [self.read(out[0]).id for out in outs] == ["1"] * 20

    def test_a_generator_is_read_once_and_ranked(self) -> None:
        adapter = self.fixed([0, 2, -2, 1], top_n=None)
        for out in (
            self.call(adapter, (self.make(item) for item in ITEMS), QUERY),
            asyncio.run(self.acall(adapter, (self.make(item) for item in ITEMS), QUERY)),
        ):
            assert [self.read(item).id for item in out] == ["1", "3", "0", "2"]

    def test_a_generator_is_passed_through_whole_if_scoring_fails(self) -> None:
        adapter = self.fixed([float("nan")] * 4, top_n=None, on_error="passthrough")
        out = self.call(adapter, (self.make(item) for item in ITEMS), QUERY)
        assert [self.read(item).id for item in out] == ["0", "1", "2", "3"]

    @pytest.mark.parametrize("wrong", ["The Moon.", None, {"page_content": "The Moon."}])
    def test_an_item_of_another_type_is_named_and_nothing_is_scored(self, wrong: Any) -> None:
        adapter = self.fixed([0.0, 0.0], on_error="passthrough")
        message = rf"^{self.items}\[1\] is {re.escape(repr(wrong))}, not a \w+; pass {self.instead}"
        with pytest.raises(InvalidInputError, match=message):
            self.call(adapter, [self.make(ITEMS[0]), wrong], QUERY)
        with pytest.raises(InvalidInputError, match=message):
            asyncio.run(self.acall(adapter, [self.make(ITEMS[0]), wrong], QUERY))
        assert adapter.scorer.asked == []

    @pytest.mark.parametrize("wrong", ["The Moon.", None, 7])
    def test_anything_but_a_list_is_refused(self, wrong: Any) -> None:
        message = rf"^{self.items} is {wrong!r}; pass a list of {self.instead}"
        with pytest.raises(InvalidInputError, match=message):
            self.call(self.fixed([0.0]), wrong, QUERY)
        with pytest.raises(InvalidInputError, match=message):
            asyncio.run(self.acall(self.fixed([0.0]), wrong, QUERY))

    def test_one_item_outside_a_list_is_refused(self) -> None:
        with pytest.raises(InvalidInputError, match=f"; pass a list of {self.instead}"):
            self.call(self.fixed([0.0]), self.make(ITEMS[0]), QUERY)

    @pytest.mark.parametrize("query", ["", "  \n"])
    def test_an_empty_query_is_a_value_error_that_says_so(self, query: str) -> None:
        with pytest.raises(InvalidInputError, match="query is empty") as caught:
            self.call(self.fixed([0.0]), [self.make(ITEMS[0])], query)
        assert isinstance(caught.value, ValueError)

    def test_a_score_that_is_not_finite_raises(self) -> None:
        with pytest.raises(NonFiniteScoreError, match="nan for pair 2"):
            self.ranked(self.fixed([0.0, 1.0, float("nan"), 2.0]))

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"top_n": 0}, "top_n is 0"),
            ({"top_n": -1}, "top_n is -1"),
            ({"score_threshold": float("nan")}, "score_threshold is nan"),
            ({"score_threshold": 1.5}, "score_threshold is 1.5"),
            ({"backend": "tensorflow"}, "backend is 'tensorflow'; choose one of"),
            ({"scorer": object()}, "has no score"),
            ({"min_precision": 0.9}, "min_precision is 0.9 without a calibration"),
            ({"min_precision": 2, "calibration": calibration()}, "min_precision is 2.0"),
            ({"min_precision": 0.99, "calibration": calibration()}, "guarantee 0.950 at most"),
            ({"calibration": "/no/such/file.json"}, "cannot read '/no/such/file.json'"),
            ({"keep": 0}, "keep is 0"),
            ({"min_retrieval_score": float("nan")}, "min_retrieval_score is nan"),
            ({"min_retrieval_score": float("inf")}, "min_retrieval_score is inf"),
            ({"rrf_k": 0}, "rrf_k is 0"),
            ({"prefilter": object()}, "has no score"),
            ({"on_ranking": 7}, "on_ranking is 7, which is not a function"),
            ({"backend": "tei"}, "asks a server.*base_url"),
            ({"backend": "torch", "base_url": "http://host"}, "asks no server"),
        ],
    )
    def test_options_that_cannot_work_are_refused_in_one_line(
        self, fields: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ConfigurationError, match=message) as caught:
            self.adapter(**fields)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"model_nam": "mini"}, r"^no option model_nam \(did you mean 'model_name'\?\)$"),
            ({"top_k": 3}, r"^no option top_k \(did you mean 'top_n'\?\)$"),
            ({"threads": 2}, r"^no option threads here; pass scorer=load_scorer\(..., threads="),
            ({"xyz": 2}, r"^no option xyz; help\(BGEReranker\w+\) lists the options$"),
            ({"dtype": "fp16"}, "^dtype is 'fp16'; .*float16"),
            ({"on_error": "ignore"}, "^on_error is 'ignore'; .*raise.*passthrough"),
            ({"device": 5}, "^device is 5; pass a valid string or a list$"),
            ({"rank_fields": "title"}, "^rank_fields is 'title'; pass a list$"),
            ({"top_n": "all"}, "^top_n is 'all'; "),
            ({"top_n": 2.5}, "^top_n is 2.5; "),
            ({"calibration": {"a": 1}}, "^calibration is {'a': 1}; pass a Calibration"),
            ({"model_name": None}, "^model_name is None; pass a valid string$"),
        ],
    )
    def test_a_misspelt_option_or_wrong_type_is_refused_in_one_line(
        self, fields: dict[str, Any], message: str
    ) -> None:
        for build in (
            lambda: self.adapter(**fields),
            lambda: self.adapter.model_validate(fields),
            lambda: self.adapter.model_validate_json(json.dumps(fields)),
        ):
            with pytest.raises(ConfigurationError, match=message) as caught:
                build()
            assert "\n" not in str(caught.value)
            assert caught.value.__suppress_context__

    def test_a_secret_of_the_wrong_type_is_not_shown(self) -> None:
        with pytest.raises(ConfigurationError, match="^api_key is of type list; pass") as caught:
            self.adapter(api_key=["sk-secret"])
        assert "sk-secret" not in str(caught.value)

    def test_a_subclass_keeps_the_errors_of_its_own_validators(self) -> None:
        class Own(self.adapter):  # type: ignore[name-defined, misc]
            region: str

            @model_validator(mode="after")
            def _known_region(self) -> Any:
                raise ValueError("there is no such region")

        with pytest.raises(ValidationError, match="there is no such region"):
            Own(region="moon")
        with pytest.raises(ValidationError, match="Field required"):
            Own()

    def test_dump_and_validate_round_trip_without_loading(self) -> None:
        loaded = dict(_loaded)
        adapter = self.adapter(model_name="/no/such/folder", top_n=7, rank_fields=["title"])
        again = self.adapter.model_validate(adapter.model_dump())
        assert again.model_dump() == adapter.model_dump()
        again = self.adapter.model_validate_json(adapter.model_dump_json())
        assert again.model_dump() == adapter.model_dump()
        assert _loaded == loaded

    def test_pickle_round_trips_without_loading(self) -> None:
        loaded = dict(_loaded)
        adapter = self.adapter(model_name="/no/such/folder", top_n=7)
        assert pickle.loads(pickle.dumps(adapter)).model_dump() == adapter.model_dump()
        assert _loaded == loaded

    def test_pickle_keeps_a_ready_scorer(self) -> None:
        adapter = self.adapter(scorer=load_scorer("mini"))
        assert pickle.loads(pickle.dumps(adapter)).scorer == load_scorer("mini")

    def test_pickle_refuses_a_scorer_that_cannot_be_pickled(self) -> None:
        adapter = self.fixed([0.0])
        adapter.scorer.unpicklable = lambda: None
        with pytest.raises((pickle.PicklingError, AttributeError)):
            pickle.dumps(adapter)

    def test_a_server_scores_like_any_other_backend(self) -> None:
        with running(FakeServer("tei")) as server:
            adapter = self.adapter(backend="tei", base_url=server.url, top_n=None)
            ranked = self.ranked(adapter)
        expected = {
            str(place): sigmoid(logit_of(QUERY, text)) for place, text in enumerate(PASSAGES)
        }
        assert {item.id: item.metadata["rerank_score"] for item in ranked} == expected
        assert [item.id for item in ranked] == sorted(expected, key=lambda id_: -expected[id_])

    async def test_async_awaits_a_server(self) -> None:
        with running(FakeServer("cohere")) as server:
            adapter = self.adapter(backend="cohere", base_url=[server.url])
            made = list(map(self.make, ITEMS))
            queries = [f"{QUERY} {number}" for number in range(20)]
            outs = await asyncio.gather(*(self.acall(adapter, made, query) for query in queries))
        assert [len(out) for out in outs] == [3] * 20
        assert sorted(asked["query"] for asked in server.asked) == sorted(queries)

    def test_a_server_that_fails_raises_by_default(self) -> None:
        with (
            running(FakeServer("tei", always=status(500))) as server,
            pytest.raises(ServerError, match="status 500"),
        ):
            self.ranked(self.adapter(backend="tei", base_url=server.url))

    def test_passthrough_keeps_first_stage_order_and_states_the_error(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        items = [*ITEMS, Item("4", "scored before", {"rerank_score": 0.9})]
        with running(FakeServer("tei", always=status(500, {"error": "no memory"}))) as server:
            adapter = self.adapter(
                backend="tei",
                base_url=server.url,
                on_error="passthrough",
                score_threshold=0.99,
                top_n=None,
            )
            made = list(map(self.make, items))
            before = copy.deepcopy(made)
            sync = [self.read(out) for out in self.call(adapter, made, QUERY)]
            awaited = [self.read(out) for out in asyncio.run(self.acall(adapter, made, QUERY))]
        assert made == before
        for out in (sync, awaited):
            assert [(item.id, item.text) for item in out] == [(i.id, i.text) for i in items]
            assert all("no memory" in item.metadata["rerank_error"] for item in out)
            assert not any("rerank_score" in item.metadata for item in out)
        assert "first-stage order is kept: http" in caplog.text

    def test_passthrough_is_a_warning_once_for_each_adapter_and_info_afterwards(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO", "bge_rerank.adapters")
        for _ in range(2):
            adapter = self.fixed([float("nan")], on_error="passthrough")
            for kept in (adapter, adapter, adapter.model_copy()):
                self.ranked(kept, ITEMS[:1])
        levels = [record.levelname for record in caplog.records]
        assert levels == ["WARNING", "INFO", "INFO"] * 2

    def test_settings_of_equal_options_are_equal(self) -> None:
        assert RerankerSettings(top_n=2) == RerankerSettings(top_n=2)
        assert RerankerSettings(top_n=2) != RerankerSettings(top_n=3)

    def test_passthrough_keeps_top_n(self) -> None:
        adapter = self.fixed([0.0, float("nan"), 0.0, 0.0], on_error="passthrough", top_n=2)
        assert [item.id for item in self.ranked(adapter)] == ["0", "1"]

    def test_passthrough_does_not_cover_invalid_input(self) -> None:
        with pytest.raises(InvalidInputError):
            self.call(self.fixed([0.0], on_error="passthrough"), [self.make(ITEMS[0])], " ")

    def test_passthrough_does_not_cover_a_model_that_cannot_be_loaded(self) -> None:
        adapter = self.adapter(model_name="/no/such/folder", on_error="passthrough")
        with pytest.raises(ModelLoadError):
            self.ranked(adapter)

    def test_passthrough_does_not_cover_a_missing_package(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "bm25s", None)
        adapter = self.fixed([0.0], prefilter="bm25", keep=3, on_error="passthrough")
        with pytest.raises(MissingDependencyError):
            self.ranked(adapter)

    def test_passthrough_does_not_cover_other_errors_of_an_own_scorer(self) -> None:
        class Away(FixedScorer):
            def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
                raise ConnectionError("away")

        adapter = self.adapter(scorer=Away([]), on_error="passthrough")
        with pytest.raises(ConnectionError, match="away"):
            self.ranked(adapter)

    def test_a_score_replaces_an_earlier_error(self) -> None:
        [item] = self.ranked(self.fixed([0.0]), [Item("0", "text", {"rerank_error": "away"})])
        assert item.metadata["rerank_score"] == 0.5
        assert "rerank_error" not in item.metadata

    def test_no_dump_or_repr_contains_a_secret(self) -> None:
        adapter = self.adapter(backend="cohere", api_key="sk-secret-1")
        told = [repr(adapter), str(adapter), adapter.model_dump_json(), str(adapter.model_dump())]
        assert not [text for text in told if "sk-secret" in text]
        again = pickle.loads(pickle.dumps(adapter))
        assert again.api_key.get_secret_value() == "sk-secret-1"

    def test_the_span_of_the_best_window_points_into_the_text(self) -> None:
        text = f"{'word ' * 900}needle{' word' * 900}"
        scorer = Counted(lambda passage: float("needle" in passage))
        adapter = self.adapter(scorer=scorer, long_documents="window", rank_fields=["title"])
        [item] = self.ranked(adapter, [Item("0", text, {"title": "Title " * 20})])
        start, end = item.metadata["rerank_span"]
        assert item.metadata["rerank_score"] == sigmoid(1)
        window = text[start:end]
        assert "needle" in window
        assert window in [passage for _, passage in scorer.passes[0]]
        assert len(window) < len(text) / 2

    def test_a_text_scored_whole_has_no_span_and_loses_an_old_one(self) -> None:
        before = Item("0", "text", {"rerank_span": [0, 1]})
        assert "rerank_span" not in self.ranked(self.fixed([1.0]), [before])[0].metadata

    def test_candidates_that_a_budget_leaves_unscored_come_last(self) -> None:
        items = [Item(str(number), f"passage {number}", {}) for number in range(12)]
        adapter = self.adapter(scorer=Counted(), latency_budget_ms=200, top_n=None)
        out = self.ranked(adapter, items)
        assert [item.id for item in out[10:]] == ["10", "11"]
        assert sorted(item.id for item in out[:10]) == [str(number) for number in range(10)]
        assert all("latency_budget_ms=200" in item.metadata["rerank_error"] for item in out[10:])
        assert not any("rerank_score" in item.metadata for item in out[10:])

    def test_the_timings_of_a_budget_stay_with_the_adapter(self) -> None:
        items = [Item(str(number), f"passage {number}", {}) for number in range(12)]
        adapter = self.adapter(scorer=Counted(), latency_budget_ms=60_000, top_n=None)
        for _ in range(3):
            out = self.ranked(adapter, items)
        assert all("rerank_score" in item.metadata for item in out)

    def test_candidates_below_the_minimum_are_neither_scored_nor_kept(self) -> None:
        adapter = self.fixed([0.0, 1.0], min_retrieval_score=0.5, top_n=None)
        ranked = self.ranked(adapter, scored_items(0.49, 0.9, 0.2, 0.5))
        assert [item.id for item in ranked] == ["3", "1"]
        assert [item.text for item in ranked] == [PASSAGES[3], PASSAGES[1]]
        assert adapter.scorer.asked == [[(QUERY, PASSAGES[1]), (QUERY, PASSAGES[3])]]

    def test_if_all_candidates_are_below_the_minimum_no_model_is_loaded(self) -> None:
        loaded = dict(_loaded)
        adapter = self.adapter(
            model_name="/no/such/folder", min_retrieval_score=0.5, on_error="passthrough"
        )
        made = [self.make(item) for item in scored_items(0.1, 0.2, 0.3, 0.4)]
        assert self.call(adapter, made, QUERY) == []
        assert asyncio.run(self.acall(adapter, made, QUERY)) == []
        assert _loaded == loaded

    @pytest.mark.parametrize("score", [None, float("nan")])
    def test_a_candidate_without_a_score_is_refused_if_there_is_a_minimum(
        self, score: float | None
    ) -> None:
        items = scored_items(0.9, 0.9, score, 0.1)
        made = list(map(self.make, items))
        for on_error in ("raise", "passthrough"):
            adapter = self.fixed([0.0] * 4, min_retrieval_score=0.5, on_error=on_error)
            with pytest.raises(InvalidInputError, match=f"candidate 2 of 0..3 has {score} as its"):
                self.call(adapter, made, QUERY)
            with pytest.raises(InvalidInputError, match="min_retrieval_score=0.5 needs a number"):
                asyncio.run(self.acall(adapter, made, QUERY))
            assert adapter.scorer.asked == []
        assert len(self.ranked(self.fixed([0.0] * 4, top_n=None), items)) == 4

    def test_passthrough_leaves_out_candidates_below_the_minimum(self) -> None:
        fields = {"min_retrieval_score": 0.5, "on_error": "passthrough"}
        items = scored_items(0.4, 0.9, 0.8, 0.7)
        for top_n, expected in ((2, ["1", "2"]), (None, ["1", "2", "3"])):
            adapter = self.fixed([float("nan")] * 4, top_n=top_n, **fields)
            ranked = self.ranked(adapter, items)
            assert [item.id for item in ranked] == expected
            assert all("rerank_error" in item.metadata for item in ranked)

    def test_a_minimum_and_a_budget_work_together(self) -> None:
        items = [
            Item(str(number), f"passage {number}", {"retrieval_score": number % 2})
            for number in range(24)
        ]
        adapter = self.adapter(
            scorer=Counted(), latency_budget_ms=200, top_n=None, min_retrieval_score=1
        )
        sync = self.ranked(adapter, items)
        again = self.adapter.model_validate(adapter.model_dump())
        out = asyncio.run(self.acall(again, list(map(self.make, items)), QUERY))
        for ranked in (sync, [self.read(item) for item in out]):
            assert {int(item.id) for item in ranked[:10]} == {*range(1, 20, 2)}
            assert [item.id for item in ranked[10:]] == ["21", "23"]
            assert all(item.text == f"passage {item.id}" for item in ranked)
            assert ["rerank_error" in item.metadata for item in ranked] == [False] * 10 + [True] * 2

    def test_a_span_points_into_the_right_text_behind_a_minimum(self) -> None:
        long = f"{'word ' * 900}needle{' word' * 900}"
        items = [
            Item("0", "needle " * 9, {"retrieval_score": 0.1}),
            Item("1", long, {"retrieval_score": 0.9}),
        ]
        scorer = Counted(lambda passage: float("needle" in passage))
        adapter = self.adapter(scorer=scorer, long_documents="window", min_retrieval_score=0.5)
        [item] = self.ranked(adapter, items)
        assert (item.id, item.text) == ("1", long)
        assert "needle" in long[slice(*item.metadata["rerank_span"])]

    def test_fusion_orders_by_both_ranks_and_adds_the_fused_score(self) -> None:
        ranked = self.ranked(self.fixed([0, 2, 1, -2], rrf_k=60, top_n=None))
        # The reranker's order is 1, 2, 0, 3.
        expected = [("1", (2, 1)), ("0", (1, 3)), ("2", (3, 2)), ("3", (4, 4))]
        assert [item.id for item in ranked] == [id_ for id_, _ in expected]
        fused = [item.metadata["rerank_fused"] for item in ranked]
        assert fused == [fused_score(*ranks, 60) for _, ranks in expected]
        assert [type(score) for score in fused] == [float] * 4
        assert [item.metadata["rerank_score"] for item in ranked] == list(
            map(sigmoid, [2, 0, 1, -2])
        )

    def test_thresholds_apply_to_the_rerank_score_under_fusion(self) -> None:
        logits = [-1, 2, -2, 1]
        fields = {"rrf_k": 60, "score_threshold": 0.5}
        assert [i.id for i in self.ranked(self.fixed(logits, top_n=None, **fields))] == ["1", "3"]
        assert [i.id for i in self.ranked(self.fixed(logits, top_n=1, **fields))] == ["1"]

    def test_a_lower_fusion_constant_gives_the_first_ranks_more_weight(self) -> None:
        # The reranker's order is 2, 1, 3, 0. Item 0 has the ranks 1 and 4, item 1 the ranks 2 and 2.
        logits = [0, 2, 3, 1]
        for rrf_k, order in ((1, ["2", "0", "1", "3"]), (60, ["2", "1", "0", "3"])):
            ranked = self.ranked(self.fixed(logits, rrf_k=rrf_k, top_n=None))
            assert [item.id for item in ranked] == order

    def test_without_fusion_there_is_no_fused_score_and_an_old_one_is_removed(self) -> None:
        before = Item("0", "text", {"rerank_fused": 0.03})
        assert "rerank_fused" not in self.ranked(self.fixed([1.0]), [before])[0].metadata

    def test_a_minimum_and_a_fusion_survive_dump_and_pickle(self) -> None:
        adapter = self.adapter(min_retrieval_score=0.25, rrf_k=10)
        for again in (
            self.adapter.model_validate(adapter.model_dump()),
            self.adapter.model_validate_json(adapter.model_dump_json()),
            pickle.loads(pickle.dumps(adapter)),
        ):
            assert (again.min_retrieval_score, again.rrf_k) == (0.25, 10)

    def test_a_calibration_adds_the_probability(self) -> None:
        ranked = self.ranked(self.fixed([0, 2, -2, 1], calibration=calibration(), top_n=None))
        probabilities = [item.metadata["rerank_probability"] for item in ranked]
        assert probabilities == pytest.approx([0.9, 0.9, 0.5, 0.1])
        assert [type(probability) for probability in probabilities] == [float] * 4

    def test_without_a_calibration_there_is_no_probability_and_an_old_one_is_removed(self) -> None:
        before = Item("0", "text", {"rerank_probability": 0.9})
        assert "rerank_probability" not in self.ranked(self.fixed([1.0]), [before])[0].metadata

    def test_a_wanted_precision_keeps_texts_above_the_calibrated_threshold(self) -> None:
        options = {"calibration": calibration(), "min_precision": 0.9}
        ranked = self.ranked(self.fixed([0.4, 3.0, 0.5, 2.0], top_n=None, **options))
        assert [item.id for item in ranked] == ["1", "3", "2"]
        ranked = self.ranked(self.fixed([0.4, 3.0, 0.5, 2.0], top_n=2, **options))
        assert [item.id for item in ranked] == ["1", "3"]
        assert self.ranked(self.fixed([0.4, 0.3, 0.2, 0.1], **options)) == []

    def test_a_wanted_precision_by_estimate_uses_the_threshold_of_the_estimate(self) -> None:
        options = {"calibration": calibration(), "min_precision": 0.9, "precision_by": "estimate"}
        ranked = self.ranked(self.fixed([0.4, 3.0, 0.2, 2.0], top_n=None, **options))
        assert [item.id for item in ranked] == ["1", "3", "0"]

    def test_a_wanted_precision_and_a_score_threshold_both_apply(self) -> None:
        options = {"calibration": calibration(), "min_precision": 0.9, "top_n": None}
        stricter = self.fixed([0.4, 3.0, 0.5, 2.0], score_threshold=sigmoid(2.0), **options)
        assert [item.id for item in self.ranked(stricter)] == ["1", "3"]
        looser = self.fixed([0.4, 3.0, 0.5, 2.0], score_threshold=sigmoid(0.0), **options)
        assert [item.id for item in self.ranked(looser)] == ["1", "3", "2"]

    def test_a_model_a_prefilter_and_a_cache_may_be_paths(self, tmp_path: Path) -> None:
        folder = bge_rerank_mini.path()
        options = {"model_name": folder, "prefilter": folder, "score_cache": tmp_path / "scores"}
        adapter = self.adapter(**options, top_n=1)
        assert {name: getattr(adapter, name) for name in options} == {
            name: str(path) for name, path in options.items()
        }
        [best] = self.ranked(adapter)
        assert best.id == "1"
        assert (tmp_path / "scores").is_dir()

    def test_a_calibration_may_be_a_file(self, tmp_path: Path) -> None:
        calibration().save(tmp_path / "c.json")
        for path in (tmp_path / "c.json", str(tmp_path / "c.json")):
            [item] = self.ranked(self.fixed([0.0], calibration=path), ITEMS[:1])
            assert item.metadata["rerank_probability"] == 0.5

    def test_a_calibration_of_another_model_is_refused_when_it_scores(self) -> None:
        wrong = calibration(ScoredBy("mini", "main", "int8", 512))
        adapter = self.adapter(model_name="mini", backend="torch", calibration=wrong)
        assert self.call(adapter, [], QUERY) == []
        with pytest.raises(CalibrationError, match="made for precision='int8', and the scorer has"):
            self.ranked(adapter)
        with pytest.raises(CalibrationError, match="made for precision='int8', and the scorer has"):
            asyncio.run(self.acall(adapter, list(map(self.make, ITEMS)), QUERY))

    def test_a_calibration_of_the_same_model_is_accepted(self) -> None:
        right = calibration()
        adapter = self.adapter(
            model_name="mini", backend="torch", dtype="float32", calibration=right, top_n=1
        )
        [best] = self.ranked(adapter)
        logit = adapter.reranker().rerank(QUERY, [PASSAGES[1]])[0].logit
        assert best.metadata["rerank_probability"] == pytest.approx(right.probability(logit))

    @pytest.mark.parametrize("of", [str, type(calibration())])
    def test_a_calibration_survives_dump_and_pickle(self, of: type, tmp_path: Path) -> None:
        calibration().save(tmp_path / "c.json")
        given = calibration() if of is not str else str(tmp_path / "c.json")
        adapter = self.adapter(calibration=given, min_precision=0.9)
        for again in (
            self.adapter.model_validate(adapter.model_dump()),
            self.adapter.model_validate_json(adapter.model_dump_json()),
            pickle.loads(pickle.dumps(adapter)),
        ):
            assert again.calibration == given

    def test_on_ranking_receives_each_request_once_with_its_tiers(self) -> None:
        rankings: list[Ranking] = []
        adapter = self.fixed([0, 2], prefilter="bm25", keep=2, top_n=1, on_ranking=rankings.append)
        made = list(map(self.make, ITEMS))
        for call in (
            lambda: self.call(adapter, made, QUERY),
            lambda: asyncio.run(self.acall(adapter, made, QUERY)),
        ):
            [best] = call()
            [ranking] = rankings
            assert (ranking.query, ranking.texts) == (QUERY, PASSAGES)
            assert [str(ranked.index) for ranked in ranking] == [self.read(best).id]
            tiers = [(tier.name, tier.received, tier.kept) for tier in ranking.tiers]
            assert tiers == [("bm25", 4, 2), ("FixedScorer", 2, 1)]
            assert all(tier.seconds >= 0 for tier in ranking.tiers)
            rankings.clear()

    def test_on_ranking_receives_an_empty_ranking_for_an_empty_list(self) -> None:
        rankings: list[Ranking] = []
        self.call(self.fixed([], on_ranking=rankings.append), [], QUERY)
        assert rankings == [[]]

    @pytest.mark.parametrize("error", [ScoringError("mine"), KeyError("mine")])
    def test_errors_of_on_ranking_are_raised_unchanged(self, error: Exception) -> None:
        def fail(ranking: Ranking) -> None:
            raise error

        adapter = self.fixed([0.0], on_ranking=fail, on_error="passthrough")
        made = [self.make(ITEMS[0])]
        with pytest.raises(type(error)) as caught:
            self.call(adapter, made, QUERY)
        assert caught.value is error
        with pytest.raises(type(error)) as caught:
            asyncio.run(self.acall(adapter, made, QUERY))
        assert caught.value is error

    def test_on_ranking_is_not_called_for_a_failure_that_is_passed_through(self) -> None:
        rankings: list[Ranking] = []
        adapter = self.fixed([float("nan")], on_ranking=rankings.append, on_error="passthrough")
        made = [self.make(ITEMS[0])]
        assert len(self.call(adapter, made, QUERY)) == 1
        assert len(asyncio.run(self.acall(adapter, made, QUERY))) == 1
        assert rankings == []

    def test_no_dump_or_repr_contains_on_ranking(self) -> None:
        adapter = self.adapter(model_name="mini", on_ranking=print)
        told = [repr(adapter), str(adapter), adapter.model_dump_json(), str(adapter.model_dump())]
        assert not [text for text in told if "on_ranking" in text]
        assert self.adapter.model_validate(adapter.model_dump()).on_ranking is None

    def test_on_ranking_survives_copy_and_pickle(self) -> None:
        adapter = self.adapter(model_name="mini", on_ranking=print)
        for again in (copy.deepcopy(adapter), pickle.loads(pickle.dumps(adapter))):
            assert again.on_ranking is print

    def test_pickle_refuses_an_on_ranking_that_cannot_be_pickled(self) -> None:
        adapter = self.adapter(model_name="mini", on_ranking=lambda ranking: None)
        with pytest.raises((pickle.PicklingError, AttributeError)):
            pickle.dumps(adapter)

    @pytest.mark.parametrize("value", [np.arange(3), np.array([]), np.array([None, ""]), 0, False])
    def test_rank_fields_are_written_as_str_writes_them(self, value: Any) -> None:
        adapter = self.fixed([0.0], rank_fields=["title"])
        passage = adapter.passage("text", {"title": value, "none": None, "empty": ""})
        assert passage == f"{value}\ntext"
        adapter.rank_fields = ["none", "empty", "absent"]
        assert adapter.passage("text", {"none": None, "empty": ""}) == "text"

    def test_rank_fields_are_scored_before_the_text_and_not_returned(self) -> None:
        adapter = self.fixed([0.0], rank_fields=["title", "absent"])
        [item] = self.ranked(adapter, ITEMS[:1])
        assert adapter.scorer.asked == [[(QUERY, f"Title 0\n{PASSAGES[0]}")]]
        assert item.text == PASSAGES[0]

    def test_a_changed_field_takes_effect_on_the_next_call(self) -> None:
        adapter = self.fixed([0, 1, 2, 3])
        adapter.top_n = 1
        assert len(self.ranked(adapter)) == 1

    def test_its_reranker_is_built_once_and_again_after_a_field_changed(self) -> None:
        adapter = self.fixed([0, 1, 2, 3], device=["cpu"])
        built = adapter.reranker()
        self.ranked(adapter)
        assert adapter.reranker() is built
        assert adapter.after(Tier("retriever", None, 4, 0.1)).reranker() is built
        copied = adapter.model_copy(update={"top_n": 1})
        assert len(self.ranked(copied)) == 1
        assert adapter.reranker() is built
        adapter.score_threshold = 0.9
        assert [item.id for item in self.ranked(adapter)] == ["3"]
        assert adapter.reranker() is not built

    def test_a_list_that_is_changed_in_place_takes_effect(self) -> None:
        adapter = self.adapter(model_name="m", backend="tei", base_url="http://a")
        adapter.base_url = ["http://a"]
        adapter.reranker()
        adapter.base_url.append("http://b")
        expected = load_scorer("m", "tei", base_url=["http://a", "http://b"])
        assert adapter.reranker().scorer == expected

    def test_a_minimum_that_is_set_later_is_checked_on_use(self) -> None:
        adapter = self.fixed([0.0] * 4)
        adapter.min_retrieval_score = float("nan")
        with pytest.raises(ConfigurationError, match="min_retrieval_score is nan"):
            self.ranked(adapter)

    def test_dump_repr_and_comparison_ignore_the_built_reranker(self) -> None:
        adapter = self.adapter(model_name="mini")
        changed = adapter.model_copy(update={"top_n": 1})
        assert changed.reranker().options.top_n == 1
        other = changed.model_copy(update={"top_n": 3})
        assert adapter.reranker() is not other.reranker()
        assert adapter == other
        assert repr(adapter) == repr(other)
        assert adapter.model_dump() == other.model_dump()

    def test_the_scorer_is_called_once_per_call(self) -> None:
        adapter = self.fixed([0, 1, 2, 3])
        self.ranked(adapter)
        assert len(adapter.scorer.asked) == 1
