import asyncio
import sys
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from llama_index.core.schema import NodeWithScore, TextNode

from bge_rerank import ConfigurationError, MissingDependencyError, Reranker, load_scorer
from bge_rerank.backends.bm25 import Bm25Scorer, bm25
from bge_rerank.ranking.prefilter import Prefilter, best_places
from bge_rerank.scoring.gathering import GatheringScorer
from conftest import PASSAGES, QUERY
from langchain_bge_rerank import BGERerankerCompressor
from llamaindex_bge_rerank import BGERerankerPostprocessor

Pairs = Sequence[tuple[str, str]]
words = st.sampled_from(["tide", "moon", "sea", "bread", "a", ""])
texts = st.lists(words, max_size=6).map(" ".join)


class Lengths:
    """A scorer by length that records the pairs and the thread of each call."""

    def __init__(self, sign: int = 1) -> None:
        self.sign = sign
        self.calls: list[list[tuple[str, str]]] = []
        self.threads: list[int] = []

    def score(self, pairs: Pairs, /) -> list[float]:
        self.calls.append(list(pairs))
        self.threads.append(threading.get_ident())
        return [float(self.sign * len(passage)) for _, passage in pairs]


def asked_texts(scorer: Lengths) -> list[list[str]]:
    return [[passage for _, passage in pairs] for pairs in scorer.calls]


def test_the_main_scorer_gets_only_the_best_candidates_of_the_prefilter() -> None:
    main, cheap = Lengths(), Lengths(sign=-1)
    reranker = Reranker(main, top_n=None, prefilter=cheap, keep=2)
    ranking = reranker.rerank("q", ["ccc", "a", "dddd", "bb"])
    assert asked_texts(cheap) == [["ccc", "a", "dddd", "bb"]]
    assert asked_texts(main) == [["a", "bb"]]
    assert [(ranked.index, ranked.logit) for ranked in ranking] == [(3, 2.0), (1, 1.0)]


def test_ties_of_the_prefilter_keep_input_order() -> None:
    main = Lengths()
    Reranker(main, top_n=None, prefilter=Lengths(sign=0), keep=2).rerank("q", ["c", "a", "b"])
    assert asked_texts(main) == [["c", "a"]]


def test_ties_of_the_main_scorer_keep_input_order() -> None:
    reranker = Reranker(Lengths(sign=0), top_n=None, prefilter=Lengths(), keep=2)
    assert [ranked.index for ranked in reranker.rerank("q", ["a", "bb", "ccc"])] == [1, 2]


def test_a_request_of_no_more_than_keep_skips_the_prefilter() -> None:
    main, cheap = Lengths(), Lengths()
    reranker = Reranker(main, prefilter=cheap, keep=3)
    reranker.rerank("q", ["a", "b", "c"])
    assert cheap.calls == []
    reranker.rerank_many([("q", ["a", "b"]), ("r", ["a", "bb", "ccc", "dddd"]), ("s", [])])
    assert [len(pairs) for pairs in cheap.calls] == [4]
    assert [len(pairs) for pairs in main.calls] == [3, 5]


def test_without_a_prefilter_all_candidates_are_scored() -> None:
    main = Lengths()
    Reranker(main, keep=1).rerank("q", ["a", "b", "c"])
    assert asked_texts(main) == [["a", "b", "c"]]


def test_a_scorer_as_prefilter_takes_one_pass_over_all_requests() -> None:
    main, cheap = Lengths(), Lengths(sign=-1)
    reranker = Reranker(main, top_n=None, prefilter=cheap, keep=1)
    requests = [("q", ["aa", "b"]), ("r", ["c"]), ("s", ["ddd", "eeee"])]
    rankings = reranker.rerank_many(requests)
    assert asked_texts(cheap) == [["aa", "b", "ddd", "eeee"]]
    assert asked_texts(main) == [["b", "c", "ddd"]]
    assert [[ranked.index for ranked in ranking] for ranking in rankings] == [[1], [0], [0]]


@given(st.lists(st.tuples(words.filter(bool), st.lists(texts, max_size=5)), max_size=4))
def test_many_requests_rank_like_each_alone_and_like_async_requests(
    requests: list[tuple[str, list[str]]],
) -> None:
    for prefilter in ("bm25", Lengths(sign=-1)):
        reranker = Reranker(Lengths(), top_n=2, prefilter=prefilter, keep=2)
        rankings = reranker.rerank_many(requests)
        assert rankings == [reranker.rerank(*request) for request in requests]
        assert rankings == [asyncio.run(reranker.arerank(*request)) for request in requests]


def test_bm25_counts_words_within_each_request() -> None:
    """The rarer of two words decides the order. It is another word in each request."""
    sea_is_rare = ["moon one", "sea two", "moon three", "moon four"]
    moon_is_rare = ["moon one", "sea two", "sea three", "sea four"]
    reranker = Reranker(Lengths(), top_n=None, prefilter="bm25", keep=1)
    rankings = reranker.rerank_many([("moon sea", sea_is_rare), ("moon sea", moon_is_rare)])
    assert [[ranked.index for ranked in ranking] for ranking in rankings] == [[1], [0]]


def test_bm25_behind_a_wrapper_scores_each_request_separately() -> None:
    requests = [[("q", "a b"), ("q", "c d"), ("q", "e f")], [("q", "a b"), ("q", "c d")]]
    calls: list[int] = []
    watched = GatheringScorer(Bm25Scorer(), on_pass=lambda pairs, _: calls.append(pairs))
    Prefilter(watched, keep=1).kept(requests)
    assert calls == [3, 2]


async def test_a_cascade_does_not_block_the_event_loop() -> None:
    main, cheap = Lengths(), Lengths()
    await Reranker(main, top_n=1, prefilter=cheap, keep=1).arerank("q", ["a", "bb"])
    assert threading.get_ident() not in main.threads + cheap.threads


async def test_concurrent_calls_share_the_passes_of_both_scorers() -> None:
    main, cheap = Lengths(), Lengths(sign=-1)
    reranker = Reranker(
        GatheringScorer(main), top_n=1, prefilter=GatheringScorer(cheap, 20), keep=2
    )
    requests = [(f"q{number}", ["a", "bb", "c" * number]) for number in range(3, 10)]
    rankings = await asyncio.gather(*(reranker.arerank(*request) for request in requests))
    assert [len(pairs) for pairs in cheap.calls] == [7 * 3]
    assert [len(pairs) for pairs in main.calls] == [7 * 2]
    assert [ranking[0].index for ranking in rankings] == [1] * 7


def test_a_prefilter_can_be_a_model_by_name() -> None:
    prefilter = Prefilter("mini", keep=1)
    assert prefilter.scorer == load_scorer("mini")
    assert prefilter.kept([[(QUERY, passage) for passage in PASSAGES]]) == [[1]]


def test_no_model_is_loaded_for_a_request_of_no_more_than_keep() -> None:
    reranker = Reranker(Lengths(), prefilter="/no/such/folder")
    assert reranker.rerank("q", []) == []
    assert len(reranker.rerank("q", ["a"])) == 1


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0]), max_size=8), st.integers(1, 9))
def test_the_best_positions_are_those_of_a_stable_sort(scores: list[float], keep: int) -> None:
    places = best_places(scores, keep)
    assert places == sorted(places)
    assert len(places) == min(keep, len(scores))
    cut = set(range(len(scores))) - set(places)
    assert all((-scores[kept], kept) < (-scores[out], out) for kept in places for out in cut)


@given(texts, st.lists(texts, max_size=8))
def test_bm25_is_above_zero_if_a_word_is_shared(query: str, passages: list[str]) -> None:
    scores = bm25(query, passages)
    shared = [
        {word for word in query.split() if len(word) > 1} & {*passage.split()}
        for passage in passages
    ]
    assert [score > 0 for score in scores] == [bool(common) for common in shared]
    assert [type(score) for score in scores] == [float] * len(passages)


@given(st.text(), st.lists(st.text(), max_size=5))
def test_bm25_scores_any_text(query: str, passages: list[str]) -> None:
    assert all(0 <= score < 1_000 for score in bm25(query, passages))


def test_bm25_scores_several_queries_in_a_call() -> None:
    scorer = Bm25Scorer()
    tides = [("tides", "the tides"), ("tides", "bread")]
    bread = [("bread", "the tides"), ("bread", "bread")]
    mixed = scorer.score([tides[0], bread[0], tides[1], bread[1]])
    assert mixed[::2] == scorer.score(tides)
    assert mixed[1::2] == scorer.score(bread)
    assert scorer.score([]) == []


def test_bm25_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(MissingDependencyError, match=r"BM25 needs bm25s.*'bge-rerank\[bm25\]'"):
        Reranker(Lengths(), prefilter="bm25", keep=3).rerank("q", ["a", "b", "c", "d"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": 0}, "keep is 0; "),
        ({"keep": -1, "prefilter": "bm25"}, "keep is -1"),
        (
            {"keep": 2, "prefilter": "bm25"},
            "top_n is 3, but the prefilter keeps only 2 texts; pass keep=3",
        ),
        ({"prefilter": 7}, "prefilter is 7, which has no score.*; pass 'bm25'"),
    ],
)
def test_a_cascade_that_cannot_work_is_refused(options: dict[str, Any], message: str) -> None:
    for refused in (
        lambda: Reranker(Lengths(), **options),
        lambda: BGERerankerCompressor(**options),
        lambda: BGERerankerPostprocessor(**options),
    ):
        with pytest.raises(ConfigurationError, match=message) as caught:
            refused()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("prefilter", "kept"), [("bm25", PASSAGES[:2]), ("mini", PASSAGES[1:3])])
async def test_both_adapters_cascade(prefilter: str, kept: list[str]) -> None:
    main = Lengths()
    options: dict[str, Any] = {"scorer": main, "top_n": 1, "prefilter": prefilter, "keep": 2}
    documents = [Document(passage) for passage in PASSAGES]
    nodes = [NodeWithScore(node=TextNode(text=passage)) for passage in PASSAGES]
    compressor = BGERerankerCompressor(**options)
    postprocessor = BGERerankerPostprocessor(**options)
    answers = [
        compressor.compress_documents(documents, QUERY)[0].page_content,
        (await compressor.acompress_documents(documents, QUERY))[0].page_content,
        postprocessor.postprocess_nodes(nodes, query_str=QUERY)[0].text,
        (await postprocessor.apostprocess_nodes(nodes, query_str=QUERY))[0].text,
    ]
    assert answers == [PASSAGES[1]] * 4
    assert asked_texts(main) == [kept] * 4


@pytest.mark.parametrize("prefilter", [None, "bm25", "mini"])
def test_a_named_prefilter_is_dumped_and_read_back(prefilter: str | None) -> None:
    compressor = BGERerankerCompressor(prefilter=prefilter, keep=7)
    again = BGERerankerCompressor.model_validate_json(compressor.model_dump_json())
    assert (again.prefilter, again.keep) == (prefilter, 7)
