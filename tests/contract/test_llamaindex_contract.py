from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.schema import ImageNode, MetadataMode, NodeWithScore, QueryBundle, TextNode
from llama_index_instrumentation import get_dispatcher

from adapter_contract import ITEMS, AdapterContract, FixedScorer, Item
from bge_rerank import InvalidInputError, NonFiniteScoreError
from conftest import PASSAGES, QUERY
from llamaindex_bge_rerank import BGERerankerPostprocessor, BGERerankerRetriever
from llamaindex_bge_rerank.postprocessor import SCORE_KEYS
from retriever_contract import Find, RetrieverContract, finding


class TestPostprocessor(AdapterContract):
    adapter = BGERerankerPostprocessor
    items = "nodes"
    instead = r"NodeWithScore\(node=TextNode\(text=...\)\)"

    def make(self, item: Item) -> NodeWithScore:
        node = TextNode(id_=item.id, text=item.text, metadata=item.metadata)
        return NodeWithScore(node=node, score=item.metadata.get("retrieval_score", 0.25))

    def read(self, made: NodeWithScore) -> Item:
        return Item(made.node_id, made.text, made.metadata)

    def call(self, adapter: Any, made: Any, query: str) -> list[Any]:
        return list(adapter.postprocess_nodes(made, query_str=query))

    async def acall(self, adapter: Any, made: Any, query: str) -> list[Any]:
        return list(await adapter.apostprocess_nodes(made, query_str=query))


class Found(BaseRetriever):
    """A retriever of the items that a function returns."""

    def __init__(self, find: Find, callback_manager: CallbackManager | None = None) -> None:
        super().__init__(callback_manager)
        self.find = find

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [
            NodeWithScore(node=TextNode(id_=item.id, text=item.text, metadata=item.metadata))
            for item in self.find(query_bundle.query_str)
        ]


class TestRetriever(RetrieverContract):
    def make(self, find: Find, **fields: Any) -> BGERerankerRetriever:
        return BGERerankerRetriever(Found(find), BGERerankerPostprocessor(**fields))

    def adapter(self, retriever: Any) -> BGERerankerPostprocessor:
        used: BGERerankerPostprocessor = retriever.postprocessor
        return used

    def ask(self, retriever: Any, query: str) -> list[Item]:
        return [_item(found) for found in retriever.retrieve(query)]

    async def aask(self, retriever: Any, query: str) -> list[Item]:
        return [_item(found) for found in await retriever.aretrieve(query)]


def _item(found: NodeWithScore) -> Item:
    return Item(found.node_id, found.text, found.metadata)


def nodes(score: float | None = 0.25) -> list[NodeWithScore]:
    return [
        NodeWithScore(
            node=TextNode(id_=item.id, text=item.text, metadata=item.metadata), score=score
        )
        for item in ITEMS
    ]


def postprocessor(
    logits: Sequence[float] = (0, 2, -2, 1), **fields: Any
) -> BGERerankerPostprocessor:
    return BGERerankerPostprocessor(scorer=FixedScorer(logits), **fields)


class Recorder(BaseEventHandler):
    """A handler that records the rerank events."""

    events: list[Any]

    @classmethod
    def class_name(cls) -> str:
        return "Recorder"

    def handle(self, event: Any, **kwargs: Any) -> None:
        if isinstance(event, ReRankStartEvent | ReRankEndEvent):
            self.events.append(event)


@pytest.fixture
def events() -> Iterator[list[Any]]:
    dispatcher = get_dispatcher()
    recorder = Recorder(events=[])
    dispatcher.add_event_handler(recorder)
    yield recorder.events
    dispatcher.event_handlers.remove(recorder)


def test_the_score_is_the_rerank_score_and_the_retrieval_score_is_kept() -> None:
    [best] = postprocessor(top_n=1).postprocess_nodes(nodes(), query_str=QUERY)
    assert type(best.score) is float
    assert best.score == best.metadata["rerank_score"] == 0.8807970779778823
    assert best.metadata["retrieval_score"] == 0.25


def test_with_fusion_the_score_is_the_fused_score() -> None:
    out = postprocessor(top_n=None, rrf_k=60).postprocess_nodes(nodes(), query_str=QUERY)
    assert [node.score for node in out] == [node.metadata["rerank_fused"] for node in out]
    assert [node.score for node in out] == sorted((n.score or 0.0 for n in out), reverse=True)
    assert all(type(node.score) is float for node in out)
    assert [node.metadata["retrieval_score"] for node in out] == [0.25] * 4


def test_the_minimum_is_compared_with_the_score_of_the_node_and_not_with_metadata() -> None:
    found = nodes(score=0.25)
    for node in found:
        node.node.metadata["retrieval_score"] = 0.9
    assert postprocessor(min_retrieval_score=0.5).postprocess_nodes(found, query_str=QUERY) == []


def test_a_node_without_a_score_has_none_as_its_retrieval_score() -> None:
    [best] = postprocessor(top_n=1).postprocess_nodes(nodes(score=None), query_str=QUERY)
    assert best.metadata["retrieval_score"] is None


@pytest.mark.parametrize("mode", [MetadataMode.LLM, MetadataMode.EMBED])
def test_neither_the_llm_nor_the_embedder_reads_the_added_metadata(mode: MetadataMode) -> None:
    [best] = postprocessor(top_n=1).postprocess_nodes(nodes(), query_str=QUERY)
    assert best.node.get_content(metadata_mode=mode) == nodes()[1].node.get_content(
        metadata_mode=mode
    )


def test_reranking_twice_excludes_the_added_metadata_once() -> None:
    once = postprocessor().postprocess_nodes(nodes(), query_str=QUERY)
    twice = postprocessor().postprocess_nodes(once, query_str=QUERY)
    assert twice[0].node.excluded_llm_metadata_keys == list(SCORE_KEYS)
    assert twice[0].metadata["retrieval_score"] in [node.score for node in once]


def test_metadata_mode_decides_which_metadata_is_scored() -> None:
    reranker = postprocessor(metadata_mode=MetadataMode.EMBED)
    reranker.postprocess_nodes(nodes()[:1], query_str=QUERY)
    [[(_, passage)]] = reranker.scorer.asked
    assert passage.startswith("title: Title 0")
    assert passage.endswith(PASSAGES[0])


def test_a_node_of_another_class_keeps_its_class() -> None:
    image = NodeWithScore(node=ImageNode(text="the Moon", image_path="moon.png"))
    [out] = postprocessor().postprocess_nodes([image], query_str=QUERY)
    assert isinstance(out.node, ImageNode)
    assert out.node.image_path == "moon.png"


def test_dict_and_json_round_trip() -> None:
    reranker = BGERerankerPostprocessor(
        model_name="mini", top_n=None, score_threshold=0.1, metadata_mode=MetadataMode.EMBED
    )
    assert reranker.to_dict()["class_name"] == "BGERerankerPostprocessor"
    for again in (
        BGERerankerPostprocessor.from_dict(reranker.to_dict()),
        BGERerankerPostprocessor.from_json(reranker.to_json()),
    ):
        assert again.to_dict() == reranker.to_dict()


@pytest.mark.parametrize("count", [4, 0])
def test_events_come_in_a_pair(events: list[Any], count: int) -> None:
    out = postprocessor(top_n=2).postprocess_nodes(nodes()[:count], query_str=QUERY)
    start, end = events
    assert (start.query, start.top_n, len(start.nodes)) == (QUERY, 2, count)
    assert start.model_name == "BAAI/bge-reranker-v2-m3"
    assert end.nodes == out


def test_events_have_a_number_if_top_n_is_none(events: list[Any]) -> None:
    postprocessor(top_n=None).postprocess_nodes(nodes(), query_str=QUERY)
    assert events[0].top_n == 4


async def test_async_events_come_in_a_pair(events: list[Any]) -> None:
    await postprocessor().apostprocess_nodes(nodes(), query_str=QUERY)
    assert [type(event) for event in events] == [ReRankStartEvent, ReRankEndEvent]


def test_events_come_in_a_pair_if_a_node_has_no_score_to_compare(events: list[Any]) -> None:
    reranker = postprocessor(min_retrieval_score=0.5)
    with pytest.raises(InvalidInputError, match="has None as its score"):
        reranker.postprocess_nodes(nodes(score=None), query_str=QUERY)
    assert [type(event) for event in events] == [ReRankStartEvent, ReRankEndEvent]


def test_events_come_in_a_pair_when_scoring_fails(events: list[Any]) -> None:
    with pytest.raises(NonFiniteScoreError):
        postprocessor([float("inf")] * 4).postprocess_nodes(nodes(), query_str=QUERY)
    assert [type(event) for event in events] == [ReRankStartEvent, ReRankEndEvent]
    assert events[1].nodes == []


@pytest.mark.parametrize("logits", [(0, 2, -2, 1), (float("nan"),) * 4])
def test_callbacks_start_and_end_in_a_pair(logits: Sequence[float]) -> None:
    handler = LlamaDebugHandler(print_trace_on_end=False)
    reranker = postprocessor(logits, callback_manager=CallbackManager([handler]))
    try:
        reranker.postprocess_nodes(nodes(), query_str=QUERY)
    except NonFiniteScoreError as error:
        failure: Exception | None = error
    else:
        failure = None
    [(start, end)] = handler.get_event_pairs(CBEventType.RERANKING)
    assert start.payload["query_str"] == QUERY
    assert end.payload.get("exception") is failure


def reported(handler: LlamaDebugHandler) -> list[CBEventType]:
    """Return the events that started and ended."""
    return sorted(start.event_type for start, _ in handler.get_event_pairs())


async def test_a_retriever_and_its_postprocessor_report_to_the_given_manager() -> None:
    handler = LlamaDebugHandler(print_trace_on_end=False)
    given = postprocessor()
    retriever = BGERerankerRetriever(Found(finding()), given, CallbackManager([handler]))
    retriever.retrieve(QUERY)
    await retriever.aretrieve(QUERY)
    assert reported(handler) == [CBEventType.RERANKING] * 2 + [CBEventType.RETRIEVE] * 2
    assert given.callback_manager is not retriever.callback_manager


def test_a_retriever_reports_to_the_manager_of_the_first_stage() -> None:
    handler = LlamaDebugHandler(print_trace_on_end=False)
    first = Found(finding(), CallbackManager([handler]))
    BGERerankerRetriever(first, postprocessor()).retrieve(QUERY)
    assert reported(handler) == [CBEventType.RETRIEVE] * 2


def test_a_postprocessor_keeps_reporting_to_its_own_manager() -> None:
    handler = LlamaDebugHandler(print_trace_on_end=False)
    own = postprocessor(callback_manager=CallbackManager([handler]), on_ranking=print)
    BGERerankerRetriever(Found(finding()), own).retrieve(QUERY)
    assert reported(handler) == [CBEventType.RERANKING]


def test_the_rerank_events_of_a_retriever_come_in_a_pair(events: list[Any]) -> None:
    out = BGERerankerRetriever(Found(finding()), postprocessor(top_n=2)).retrieve(QUERY)
    start, end = events
    assert (start.query, start.top_n, len(start.nodes)) == (QUERY, 2, len(ITEMS))
    assert end.nodes == out
