"""Long texts are scored in windows, and the ranking has the span of the best one."""

import asyncio
from typing import Any

import pytest

from bge_rerank import ConfigurationError, Ranked, Reranker, load_scorer
from bge_rerank.ranking.pieces import windows
from counted_scorer import Counted
from wrapped import every_order


def finds(needle: str) -> Counted:
    return Counted(lambda passage: float(needle in passage))


def needle_at(depth: float, words: int = 3_000) -> str:
    filler = [f"word{number}" for number in range(words)]
    filler.insert(int(depth * words), "the needle of it")
    return " ".join(filler)


@pytest.mark.parametrize("depth", [number / 9 for number in range(10)])
def test_an_answer_anywhere_in_a_text_is_found_with_its_span(depth: float) -> None:
    text, scorer = needle_at(depth), finds("the needle of it")
    [other, found] = reversed(windowed(scorer).rerank("q", ["word " * 3_000, text]))
    assert (found.index, found.logit, other.logit) == (1, 1.0, 0.0)
    assert found.span is not None
    assert "the needle of it" in text[slice(*found.span)]


def test_no_window_is_scored_twice() -> None:
    scorer = finds("x")
    windowed(scorer).rerank_many([("q", [needle_at(0.5)] * 3), ("q", [needle_at(0.5)])])
    [pairs] = scorer.passes
    assert len(pairs) == len(set(pairs)) > 10


def test_the_span_is_that_of_the_first_of_equal_windows() -> None:
    [ranked] = windowed(Counted(lambda passage: 0.0)).rerank("q", [needle_at(0.5)])
    assert ranked.span is not None
    assert ranked.span[0] == 0


def test_async_cuts_like_sync() -> None:
    texts = [needle_at(0.3), "short", needle_at(0.9)]
    reranker = windowed(finds("the needle of it"))
    assert asyncio.run(reranker.arerank("q", texts)) == reranker.rerank("q", texts)


def test_selection_and_prefilter_work_on_whole_texts() -> None:
    texts = [needle_at(0.1), "none", needle_at(0.9), "the needle of it", "none either"]
    scorer = finds("the needle of it")
    reranker = windowed(scorer, top_n=2, prefilter=Counted(), keep=3)
    ranking = reranker.rerank("q", texts)
    assert [ranked.index for ranked in ranking] == [0, 2]
    assert not [passage for _, passage in scorer.passes[0] if passage.startswith("none")][1:]


def test_truncation_scores_the_whole_text_and_sets_no_span() -> None:
    scorer = finds("needle")
    assert Reranker(scorer).rerank("q", ["the needle"]) == [Ranked(0, 0.7310585786300049, 1.0)]
    assert scorer.passes == [[("q", "the needle")]]


def test_a_long_query_leaves_room_for_windows() -> None:
    [spans] = windows(Counted(), "query " * 5_000, ["word " * 1_000], tokens=512)
    assert max(end - start for start, end in spans) >= 100


def test_a_wrapped_scorer_cuts_windows_like_the_scorer_inside() -> None:
    lazy = load_scorer("mini", "torch", max_length=128)
    texts = ["the tides of the sea " * 100, "short"]
    for scorer in (lazy, lazy.loaded(), Counted()):
        expected = windows(scorer, "q", texts, 64)
        assert len(expected[0]) > len(expected[1]) == 1
        for wrapped in every_order(scorer):
            assert windows(wrapped, "q", texts, 64) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"long_documents": "cut"}, "long_documents is 'cut'"),
        ({"window_tokens": 10}, "window_tokens is 10"),
        ({"window_tokens": True}, "window_tokens is True"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Reranker(Counted(), **options)


def windowed(scorer: Counted, top_n: int | None = None, **options: Any) -> Reranker:
    return Reranker(scorer, top_n, long_documents="window", **options)
