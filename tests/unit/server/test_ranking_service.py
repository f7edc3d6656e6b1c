"""The count of tokens for `truncate: false`, and the tokens of `/tokenize`, have the same limits as ranking."""

import asyncio
import json
import threading
from collections.abc import Callable, Sequence

import pytest

from bge_rerank.backends.encoder.tokens import Tokens
from bge_rerank.server import ranking_service
from bge_rerank.server.options import Limits
from bge_rerank.server.ranking_service import RankingService
from bge_rerank.server.refusals import RefusedError
from counted_scorer import Counted, Pairs


class Counting(Counted):
    """A scorer that would truncate one token for each `x` of a text."""

    def __init__(self, begin: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.counted: list[int] = []
        self.running = self.most = 0
        self.begin_count = begin

    def tokens_cut(self, pairs: Pairs, /) -> list[int]:
        self.count(len(pairs))
        return [text.count("x") for _, text in pairs]

    def tokens_of(self, texts: Sequence[str], *, special: bool) -> list[Tokens]:
        self.count(len(texts))
        return [Tokens([7], ["t"], [(0, len(text))], [int(special)]) for text in texts]

    def count(self, texts: int) -> None:
        self.counted.append(texts)
        self.running += 1
        self.most = max(self.most, self.running)
        self.begin_count()
        self.running -= 1


def service_of(scorer: Counted, **limits: float) -> RankingService:
    return RankingService(scorer, Limits(**limits), pass_pairs=4, wait_ms=1.0)


async def stays() -> None:
    await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking_service, "COUNTED_CHARACTERS", 10)


async def test_tokens_are_counted_in_pieces_of_limited_size() -> None:
    scorer = Counting()
    texts = ["aaaa", "bbbb", "c" * 50, "d", "e"]
    ranking = await service_of(scorer).rank("q", texts, stays, truncate=False)
    assert [ranked.index for ranked in ranking] == [2, 0, 1, 3, 4]
    assert scorer.counted == [2, 1, 2]


async def test_the_first_text_that_is_too_long_is_named_and_ends_the_count() -> None:
    scorer = Counting()
    with pytest.raises(RefusedError, match="text 3 are 2 tokens too long"):
        await service_of(scorer).rank(
            "q", ["aaaa", "bbbb", "cccc", "xx", "dddd", "e"], stays, truncate=False
        )
    assert scorer.counted == [2, 2]


async def test_a_disconnect_ends_the_count_and_empties_the_queue() -> None:
    began, let_go = threading.Event(), threading.Event()

    def begin() -> None:
        began.set()
        assert let_go.wait(20)

    async def leaves() -> None:
        await asyncio.to_thread(began.wait, 20)

    scorer = Counting(begin)
    service = service_of(scorer)
    with pytest.raises(RefusedError, match="disconnected"):
        await service.rank("q", ["aaaaaaaa"] * 9, leaves, truncate=False)
    assert "te_queue_size 0.0" in service.metrics.text().decode()
    let_go.set()
    await service.rank("q", ["a"], stays, truncate=False)
    assert scorer.counted == [1, 1]


async def test_a_count_that_takes_too_long_is_refused() -> None:
    let_go = threading.Event()
    scorer = Counting(lambda: let_go.wait(20))
    try:
        with pytest.raises(RefusedError, match="not ranked within"):
            await service_of(scorer, max_seconds=0.1).rank(
                "q", ["aaaaaaaa"] * 9, stays, truncate=False
            )
    finally:
        let_go.set()
    assert scorer.counted == [1]


async def test_tokens_are_counted_for_one_request_at_a_time() -> None:
    scorer = Counting(lambda: threading.Event().wait(0.01))
    service = service_of(scorer)
    await asyncio.gather(
        *(service.rank(f"q{n}", ["aaaaaaaa"] * 2, stays, truncate=False) for n in range(5))
    )
    assert (scorer.counted, scorer.most) == ([1] * 10, 1)


async def test_a_text_with_too_many_characters_is_named() -> None:
    with pytest.raises(RefusedError, match="text 1 has 9 characters; send 8 or fewer"):
        await service_of(Counting(), max_characters=8).rank("q", ["a", "a" * 9], stays)


async def test_texts_are_tokenised_in_pieces_for_one_request_at_a_time() -> None:
    scorer = Counting(lambda: threading.Event().wait(0.01))
    service = service_of(scorer)
    texts = ["aaaa", "bbbb", "c" * 50, "d"]
    answers = await asyncio.gather(*(service.tokens(texts, stays, special=False) for _ in range(3)))
    assert [[each["stop"] for [each] in json.loads(answer)] for answer in answers] == [
        [4, 4, 50, 1]
    ] * 3
    assert (sorted(scorer.counted), scorer.most) == ([1] * 6 + [2] * 3, 1)
    assert "te_queue_size 0.0" in service.metrics.text().decode()


async def test_a_disconnect_ends_the_tokens_and_a_full_queue_refuses_them() -> None:
    began, let_go = threading.Event(), threading.Event()

    def begin() -> None:
        began.set()
        assert let_go.wait(20)

    async def leaves() -> None:
        await asyncio.to_thread(began.wait, 20)
        with pytest.raises(RefusedError, match="overloaded"):
            await service.tokens(["a"] * 10, stays, special=False)

    scorer = Counting(begin)
    service = service_of(scorer, max_waiting_texts=10)
    with pytest.raises(RefusedError, match="disconnected"):
        await service.tokens(["aaaaaaaa"] * 9, leaves, special=False)
    let_go.set()
    await service.tokens(["a"], stays, special=False)
    assert scorer.counted == [1, 1]


async def test_all_texts_together_have_the_characters_of_one_text_for_tokens() -> None:
    service = service_of(Counting(), max_characters=8)
    await service.tokens(["aaaa", "bbbb"], stays, special=True)
    with pytest.raises(RefusedError, match="9 characters together; send 8 or fewer") as refused:
        await service.tokens(["aaaa", "bbbbb"], stays, special=True)
    assert refused.value.status == 413
