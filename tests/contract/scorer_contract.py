"""`ScorerContract`: the behaviour of every backend. The test module of each backend subclasses it."""

import math
import random
import threading
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest

from bge_rerank import Reranker, Scorer
from conftest import PASSAGES, QUERY

TEXTS_OF_EVERY_KIND = {
    "empty": "",
    "white space": " \n\t ",
    "a NUL inside": "tides\0and waves",
    "only NULs": "\0\0\0",
    "Chinese": "月球的引力使海水隆起",
    "Arabic": "جاذبية القمر ترفع المياه",
    "Devanagari": "चंद्रमा का गुरुत्वाकर्षण",
    "emoji with joiners": "\U0001f469\u200d\U0001f680 \U0001f30a",
    "combining marks": "e\u0301" * 50,
    "right-to-left override": "\u202eabc",
    "noncharacters": "\ufffe\uffff",
    "a special token's name": "</s> [SEP] <s>",
    "one word of 2,000 letters": "a" * 2_000,
    "markup": "<p>tides &amp; waves</p>",
}


class ScorerContract(ABC):
    """Tests of a backend. A subclass has a fixture `scorer` with a real model that ranks English texts."""

    batch_tolerance: ClassVar[float] = 1e-4
    """The largest difference of a logit between batches: 1e-4 in float32."""

    @pytest.fixture(scope="class")
    @abstractmethod
    def scorer(self) -> Scorer: ...

    def test_is_a_scorer(self, scorer: Scorer) -> None:
        assert isinstance(scorer, Scorer)

    def test_no_pairs_give_no_scores(self, scorer: Scorer) -> None:
        assert scorer.score([]) == []

    def test_gives_one_finite_python_float_for_each_pair(self, scorer: Scorer) -> None:
        logits = scorer.score([(QUERY, passage) for passage in PASSAGES])
        assert [type(logit) for logit in logits] == [float] * len(PASSAGES)
        assert all(map(math.isfinite, logits))

    def test_scores_the_passage_that_answers_highest(self, scorer: Scorer) -> None:
        logits = scorer.score([(QUERY, passage) for passage in PASSAGES])
        assert logits.index(max(logits)) == 1

    def test_scores_follow_their_pairs_when_the_order_changes(self, scorer: Scorer) -> None:
        pairs = [(QUERY, passage * (1 + index)) for index, passage in enumerate(PASSAGES * 3)]
        forwards, backwards = scorer.score(pairs), scorer.score(pairs[::-1])
        assert backwards[::-1] == pytest.approx(forwards, abs=self.batch_tolerance)

    def test_scores_a_pair_the_same_alone_and_among_longer_pairs(self, scorer: Scorer) -> None:
        pair = (QUERY, PASSAGES[1])
        longer = [(QUERY, PASSAGES[0] * 20)] * 3
        alone = scorer.score([pair])[0]
        together = scorer.score([*longer, pair])[-1]
        assert together == pytest.approx(alone, abs=self.batch_tolerance)

    def test_a_score_does_not_depend_on_batch_order_or_thread(self, scorer: Scorer) -> None:
        draw = random.Random(3)
        pairs = [(QUERY, draw.choice(PASSAGES) * draw.randint(1, 12)) for _ in range(8)]
        alone = {pair: scorer.score([pair])[0] for pair in pairs}
        orders = [draw.sample(pairs, len(pairs)) for _ in range(3)]
        with ThreadPoolExecutor(len(orders)) as threads:
            answers = list(threads.map(scorer.score, orders))
        for order, logits in zip(orders, answers, strict=True):
            expected = [alone[pair] for pair in order]
            assert logits == pytest.approx(expected, abs=self.batch_tolerance)

    def test_scores_each_pair_with_its_own_query(self, scorer: Scorer) -> None:
        tides, bread = scorer.score([(QUERY, PASSAGES[0]), ("why does bread rise", PASSAGES[0])])
        assert bread > tides

    def test_leaves_the_pairs_unchanged(self, scorer: Scorer) -> None:
        pairs = [(QUERY, passage) for passage in PASSAGES]
        scorer.score(pairs)
        assert pairs == [(QUERY, passage) for passage in PASSAGES]

    @pytest.mark.parametrize("text", TEXTS_OF_EVERY_KIND.values(), ids=TEXTS_OF_EVERY_KIND)
    def test_scores_any_text(self, scorer: Scorer, text: str) -> None:
        ranking = Reranker(scorer, top_n=None).rerank(QUERY, [text, PASSAGES[1]])
        assert sorted(ranked.index for ranked in ranking) == [0, 1]

    def test_scores_a_text_with_lone_surrogates(self, scorer: Scorer) -> None:
        ranking = Reranker(scorer, top_n=None).rerank(QUERY, ["\ud800 tides \udfff", PASSAGES[1]])
        assert len(ranking) == 2

    def test_scores_a_text_of_a_megabyte(self, scorer: Scorer) -> None:
        text = "The Moon's gravity raises the tides. " * 27_000
        assert len(text) > 900_000
        [logit] = scorer.score([(QUERY, text)])
        assert math.isfinite(logit)

    def test_windows_find_a_passage_inside_a_long_text(self, scorer: Scorer) -> None:
        around = f"{PASSAGES[3]} " * 100  # more tokens than the models read
        buried = f"{around}{PASSAGES[1]} {around}"
        texts = [around, buried]
        first, second = Reranker(scorer, long_documents="window").rerank(QUERY, texts)
        assert first.index == 1
        assert first.span is not None
        assert PASSAGES[1] in buried[slice(*first.span)]
        assert first.logit > second.logit + 1
        first, second = Reranker(scorer).rerank(QUERY, texts)
        assert first.logit == pytest.approx(second.logit, abs=self.batch_tolerance)

    def test_accepts_a_query_longer_than_the_model(self, scorer: Scorer) -> None:
        [logit] = scorer.score([(f"{QUERY} " * 1_000, PASSAGES[1])])
        assert math.isfinite(logit)

    def test_gives_every_thread_its_own_answers(self, scorer: Scorer) -> None:
        pairs = [(QUERY, passage * (1 + index)) for index, passage in enumerate(PASSAGES)]
        expected = [scorer.score([pair]) for pair in pairs]
        answers: list[list[float]] = [[] for _ in pairs]

        def ask(index: int) -> None:
            answers[index] = scorer.score([pairs[index]])

        threads = [threading.Thread(target=ask, args=(index,)) for index in range(len(pairs))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for answer, [logit] in zip(answers, expected, strict=True):
            assert answer == pytest.approx([logit], abs=self.batch_tolerance)
