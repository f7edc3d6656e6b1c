import asyncio
import copy
import gc
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest
from langchain_core.documents import Document
from llama_index.core.schema import NodeWithScore, TextNode

from bge_rerank import (
    AsyncScorer,
    ConfigurationError,
    NonFiniteScoreError,
    OutOfMemoryError,
    Reranker,
    ScoringError,
    load_scorer,
)
from bge_rerank.backends.stopping import stop_if_told
from bge_rerank.scoring.gathering import GatheringScorer
from bge_rerank.scoring.passes import LARGE_AT_ONCE
from conftest import PASSAGES, QUERY
from counted_scorer import Counted, Pairs, length
from langchain_bge_rerank import BGERerankerCompressor
from llamaindex_bge_rerank import BGERerankerPostprocessor

LONG_MS = 60_000.0
"""A wait that no test reaches, so that something else must start the pass."""


class Gated(Counted):
    """A scorer that blocks in each call until the test releases it."""

    def __init__(self) -> None:
        super().__init__()
        self.started = threading.Event()
        self.gate = threading.Event()

    def begin(self) -> None:
        self.started.set()
        assert self.gate.wait(60)

    async def until_started(self) -> None:
        assert await asyncio.to_thread(self.started.wait, 60)


class Awaited(Counted):
    """A scorer whose sync method fails."""

    def score(self, pairs: Pairs, /) -> list[float]:
        raise AssertionError("the sync method was called")

    async def ascore(self, pairs: Pairs, /) -> list[float]:
        await asyncio.sleep(0)
        return super().score(pairs)


def calls(scorer: AsyncScorer, *passages: str) -> list[asyncio.Task[list[float]]]:
    """Start a call for each passage."""
    return [asyncio.create_task(scorer.ascore([("q", passage)])) for passage in passages]


async def settled() -> None:
    """Let every task run until it waits."""
    for _ in range(5):
        await asyncio.sleep(0)


class TakesTurns(Gated):
    """A scorer whose calls take turns. A pass has room for 4 x 4 x 10 characters."""

    takes_turns = True
    max_batch_tokens = 10


LARGE = [("q", "l" * 50) for _ in range(1)] + [("q", f"{number}" + "l" * 50) for number in range(3)]


async def test_a_large_call_runs_beside_the_passes_and_small_calls_overtake_it() -> None:
    scorer = TakesTurns()
    gathering = GatheringScorer(scorer)
    large = asyncio.create_task(gathering.ascore([*LARGE, LARGE[0]]))
    await scorer.until_started()
    small = calls(gathering, "a", "bb")
    while len(scorer.passes) < 2:  # noqa: ASYNC110 - it is counted in another thread
        await asyncio.sleep(0.01)
    scorer.gate.set()
    assert await asyncio.gather(*small) == [[1.0], [2.0]]
    assert await large == [50.0, 51.0, 51.0, 51.0, 50.0]
    assert scorer.passes == [LARGE, [("q", "a"), ("q", "bb")]]


async def test_only_few_large_calls_run_at_the_same_time() -> None:
    scorer = TakesTurns()
    gathering = GatheringScorer(scorer)
    large = [asyncio.create_task(gathering.ascore(LARGE)) for _ in range(5)]
    await scorer.until_started()
    await asyncio.sleep(0.1)
    assert len(scorer.passes) <= LARGE_AT_ONCE
    scorer.gate.set()
    assert len({tuple(logits) for logits in await asyncio.gather(*large)}) == 1
    assert len(scorer.passes) == 5
    assert gathering._passes[asyncio.get_running_loop()]._large is None


async def test_a_pass_has_no_more_characters_than_fill_the_scorer() -> None:
    scorer = TakesTurns()
    scorer.gate.set()
    texts = [f"{number}" + "t" * 69 for number in range(5)]
    await asyncio.gather(*calls(GatheringScorer(scorer), *texts))
    assert [len(pairs) for pairs in scorer.passes] == [2, 2, 1]


class Stoppable(Gated):
    """A scorer that asks, after its release, whether its call was cancelled."""

    stopped = False

    def begin(self) -> None:
        super().begin()
        try:
            stop_if_told()
        except ScoringError:
            self.stopped = True
            raise


@pytest.mark.parametrize("wait_ms", [0, 2])
@pytest.mark.parametrize("kept", [False, True])
async def test_a_pass_is_told_to_stop_when_the_last_of_its_calls_is_cancelled(
    wait_ms: float, kept: bool
) -> None:
    scorer = Stoppable()
    waiting = calls(GatheringScorer(scorer, wait_ms), "a", *("b" * (wait_ms > 0)))
    await scorer.until_started()
    for call in waiting[kept:]:
        call.cancel()
    await settled()
    scorer.gate.set()
    if kept:
        assert await waiting[0] == [1.0]
    await asyncio.gather(*waiting, return_exceptions=True)
    while scorer.stopped is kept:  # noqa: ASYNC110 - it is told in another thread
        await asyncio.sleep(0.01)
    assert scorer.stopped is not kept
    assert len(scorer.passes) == 1


async def test_twenty_concurrent_reranks_take_one_pass() -> None:
    scorer = Counted()
    reranker = Reranker(GatheringScorer(scorer))
    requests = [(f"q{number}", ["a" * number, "bb", "ccc"]) for number in range(20)]
    rankings = await asyncio.gather(*(reranker.arerank(*request) for request in requests))
    assert len(scorer.passes) == 1
    assert rankings == [Reranker(Counted()).rerank(*request) for request in requests]


async def test_a_pair_of_several_calls_is_scored_once() -> None:
    scorer = Counted()
    reranker = Reranker(GatheringScorer(scorer))
    await asyncio.gather(*(reranker.arerank("q", ["a", "bb", f"c{n}"]) for n in range(3)))
    assert scorer.passes == [[("q", "a"), ("q", "bb"), ("q", "c0"), ("q", "c1"), ("q", "c2")]]


async def test_with_no_wait_every_call_is_a_pass() -> None:
    scorer = Counted()
    await asyncio.gather(*calls(GatheringScorer(scorer, wait_ms=0), *"abc"))
    assert sorted(scorer.passes) == [[("q", "a")], [("q", "b")], [("q", "c")]]


async def test_without_pairs_the_scorer_is_not_asked() -> None:
    scorer = Counted()
    assert await GatheringScorer(scorer).ascore([]) == []
    assert scorer.passes == []


async def test_a_full_pass_starts_at_once() -> None:
    scorer = Counted()
    gathering = GatheringScorer(scorer, LONG_MS, max_pairs=2)
    [first] = calls(gathering, "a")
    await settled()
    assert scorer.passes == []
    assert await asyncio.gather(first, *calls(gathering, "bb")) == [[1.0], [2.0]]
    assert len(scorer.passes) == 1


async def test_a_pass_for_which_the_next_call_is_too_large_starts_at_once() -> None:
    scorer = Counted()
    gathering = GatheringScorer(scorer, LONG_MS, max_pairs=3)
    large = [("q", passage) for passage in ("b", "c", "d")]
    await asyncio.gather(*calls(gathering, "a"), gathering.ascore(large))
    assert scorer.passes == [[("q", "a")], large]


async def test_calls_during_a_pass_are_gathered_for_the_next() -> None:
    scorer = Gated()
    gathering = GatheringScorer(scorer)
    first = calls(gathering, "a")
    await scorer.until_started()
    second = [*calls(gathering, "bb"), *calls(gathering, "ccc")]
    await settled()
    assert len(scorer.passes) == 1
    scorer.gate.set()
    assert await asyncio.gather(*first, *second) == [[1.0], [2.0], [3.0]]
    assert scorer.passes == [[("q", "a")], [("q", "bb"), ("q", "ccc")]]


async def test_a_pass_has_at_most_max_pairs_and_no_call_is_lost_or_overtaken() -> None:
    scorer = Counted()
    gathering = GatheringScorer(scorer, max_pairs=4)
    passages = ["a" * number for number in range(1, 31)]
    assert await asyncio.gather(*calls(gathering, *passages)) == [[length(p)] for p in passages]
    assert [len(pairs) for pairs in scorer.passes] == [4] * 7 + [2]
    assert [passage for pairs in scorer.passes for _, passage in pairs] == passages


async def test_a_call_larger_than_a_pass_has_its_own_pass() -> None:
    scorer = Counted()
    gathering = GatheringScorer(scorer, max_pairs=2)
    large = [("q", passage) for passage in "abcde"]
    answers = await asyncio.gather(*calls(gathering, "x"), gathering.ascore(large))
    assert answers == [[1.0], [1.0] * 5]
    assert scorer.passes == [[("q", "x")], large]


async def test_the_pairs_of_a_call_cancelled_before_its_pass_are_not_scored() -> None:
    scorer = Counted()
    gathering = GatheringScorer(scorer, LONG_MS, max_pairs=3)
    first, second = calls(gathering, "a", "bb")
    await settled()
    second.cancel()
    await settled()
    answers = await asyncio.gather(first, *calls(gathering, "ccc", "dddd"))
    assert answers == [[1.0], [3.0], [4.0]]
    assert scorer.passes == [[("q", "a"), ("q", "ccc"), ("q", "dddd")]]
    assert second.cancelled()


async def test_a_call_cancelled_while_it_waits_behind_a_full_pass_is_not_scored() -> None:
    scorer = Gated()
    gathering = GatheringScorer(scorer, max_pairs=1)
    running, waiting, behind, last = calls(gathering, "a", "bb", "ccc", "dddd")
    await scorer.until_started()
    behind.cancel()
    await settled()
    scorer.gate.set()
    assert await asyncio.gather(running, waiting, last) == [[1.0], [2.0], [4.0]]
    assert scorer.passes == [[("q", "a")], [("q", "bb")], [("q", "dddd")]]


async def test_if_all_calls_are_cancelled_before_the_pass_nothing_is_scored() -> None:
    scorer = Counted()
    gathering = GatheringScorer(scorer, wait_ms=20)
    waiting = calls(gathering, "a", "bb")
    await settled()
    for call in waiting:
        call.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert await gathering.ascore([("q", "ccc")]) == [3.0]
    assert scorer.passes == [[("q", "ccc")]]


async def test_a_call_cancelled_while_its_pass_runs_does_not_affect_others() -> None:
    scorer = Gated()
    gathering = GatheringScorer(scorer)
    first, second, third = calls(gathering, "a", "bb", "ccc")
    await scorer.until_started()
    second.cancel()
    await settled()
    assert second.cancelled()
    scorer.gate.set()
    assert await asyncio.gather(first, third) == [[1.0], [3.0]]


async def test_if_all_calls_are_cancelled_the_result_of_the_pass_is_dropped() -> None:
    scorer = Gated()
    gathering = GatheringScorer(scorer)
    cancelled = calls(gathering, "a", "bb")
    await scorer.until_started()
    for call in cancelled:
        call.cancel()
    await asyncio.gather(*cancelled, return_exceptions=True)
    later = calls(gathering, "ccc")
    await settled()
    assert len(scorer.passes) == 1
    scorer.gate.set()
    assert await later[0] == [3.0]


async def test_a_timeout_ends_a_call_while_its_pass_runs() -> None:
    scorer = Gated()
    gathering = GatheringScorer(scorer)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(gathering.ascore([("q", "a")]), timeout=0.01)
    scorer.gate.set()


def failing(passage: str) -> float:
    if passage.startswith("bad"):
        raise ScoringError(f"cannot score {passage!r}")
    return length(passage)


async def test_a_faulty_call_fails_alone() -> None:
    scorer = Counted(failing)
    first, bad, third = calls(GatheringScorer(scorer), "a", "bad", "ccc")
    assert await asyncio.gather(first, third) == [[1.0], [3.0]]
    with pytest.raises(ScoringError, match="cannot score 'bad'"):
        await bad
    assert [len(pairs) for pairs in scorer.passes] == [3, 1, 1, 1]


async def test_after_a_failed_pass_a_cancelled_call_is_not_scored_alone() -> None:
    scorer = Gated()
    scorer.score_of = failing
    answered, bad, cancelled = calls(GatheringScorer(scorer), "a", "bad", "ccc")
    await scorer.until_started()
    cancelled.cancel()
    scorer.gate.set()
    assert await answered == [1.0]
    with pytest.raises(ScoringError):
        await bad
    assert [("q", "ccc")] not in scorer.passes


async def test_a_single_call_that_fails_is_scored_once() -> None:
    scorer = Counted(failing)
    with pytest.raises(ScoringError, match="cannot score 'bad'"):
        await GatheringScorer(scorer).ascore([("q", "bad"), ("q", "a")])
    assert len(scorer.passes) == 1


async def test_an_error_other_than_a_scoring_error_reaches_every_call_of_the_pass() -> None:
    def fail(passage: str) -> float:
        raise KeyError(passage)

    scorer = Counted(fail)
    outcomes = await asyncio.gather(
        *calls(GatheringScorer(scorer), "a", "bb"), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [KeyError, KeyError]
    assert len(scorer.passes) == 1


async def test_out_of_memory_is_tried_again_call_by_call() -> None:
    class Small(Counted):
        def score(self, pairs: Pairs, /) -> list[float]:
            if len(pairs) > 1:
                raise OutOfMemoryError("too much at once")
            return super().score(pairs)

    answers = await asyncio.gather(*calls(GatheringScorer(Small()), "a", "bb"))
    assert answers == [[1.0], [2.0]]


async def test_a_score_that_is_not_finite_fails_only_its_call() -> None:
    scorer = Counted(lambda passage: float("nan") if passage == "bad" else length(passage))
    reranker = Reranker(GatheringScorer(scorer))
    good, bad = await asyncio.gather(
        reranker.arerank("q", ["a"]),
        reranker.arerank("q", ["a", "bb", "bad"]),
        return_exceptions=True,
    )
    assert [ranked.logit for ranked in good] == [1.0]  # type: ignore[union-attr]
    assert isinstance(bad, NonFiniteScoreError)
    assert "pair 2 of 0..2" in str(bad)
    assert len(scorer.passes) == 1


async def test_a_wrong_number_of_scores_is_an_error_of_each_call() -> None:
    class Short:
        def score(self, pairs: Pairs, /) -> list[float]:
            return []

    for call in calls(GatheringScorer(Short()), "a", "bb"):
        with pytest.raises(ScoringError, match="returned 0 scores for 1 pairs"):
            await call


async def test_a_scorer_with_ascore_is_awaited() -> None:
    scorer = Awaited()
    assert await asyncio.gather(*calls(GatheringScorer(scorer), "a", "bb")) == [[1.0], [2.0]]
    assert len(scorer.passes) == 1


async def test_a_pass_does_not_run_in_the_context_of_a_caller() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="nobody's")
    seen: list[str] = []

    def note(passage: str) -> float:
        seen.append(variable.get())
        return 0.0

    variable.set("the caller's")
    await GatheringScorer(Counted(note)).ascore([("q", "a")])
    assert seen == ["nobody's"]


def test_asyncio_run_works_again_and_its_loop_is_freed() -> None:
    scorer = Counted()
    gathering = GatheringScorer(scorer)

    async def two_calls() -> list[list[float]]:
        return await asyncio.gather(*calls(gathering, "a", "bb"))

    for _ in range(3):
        assert asyncio.run(two_calls()) == [[1.0], [2.0]]
    gc.collect()
    assert len(scorer.passes) == 3
    assert len(gathering._passes) == 0


@pytest.mark.parametrize("cancelled_while", ["gathering", "scoring"])
def test_a_loop_that_ends_during_a_pass_is_freed(cancelled_while: str) -> None:
    scorer = Gated()
    gathering = GatheringScorer(scorer, LONG_MS if cancelled_while == "gathering" else 1)

    async def leave() -> None:
        calls(gathering, "a", "bb")
        await settled()
        if cancelled_while == "scoring":
            await scorer.until_started()
            scorer.gate.set()

    asyncio.run(leave())
    gc.collect()
    assert len(gathering._passes) == 0
    scorer.gate.set()

    async def again() -> list[float]:
        return await GatheringScorer(scorer).ascore([("q", "ccc")])

    assert asyncio.run(again()) == [3.0]


def test_loops_in_several_threads_do_not_disturb_each_other() -> None:
    scorer = Counted()
    gathering = GatheringScorer(scorer)

    def run(thread: int) -> list[list[float]]:
        async def some_calls() -> list[list[float]]:
            return await asyncio.gather(*calls(gathering, *("a" * n for n in range(1, thread + 2))))

        return asyncio.run(some_calls())

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(run, range(32)))
    assert answers == [[[float(n)] for n in range(1, thread + 2)] for thread in range(32)]
    assert len(scorer.passes) == 32


def test_no_outcome_is_left_unretrieved() -> None:
    scorer = Counted(failing)
    complaints: list[dict[str, Any]] = []

    async def fail_and_cancel() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: complaints.append(context)
        )
        waiting = calls(GatheringScorer(scorer), "bad", "bad too", "a", "bb")
        await settled()
        waiting[0].cancel()
        waiting[2].cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        del waiting
        gc.collect()

    asyncio.run(fail_and_cancel())
    gc.collect()
    assert complaints == []


def test_the_sync_call_goes_straight_to_the_scorer() -> None:
    scorer = Counted()
    assert GatheringScorer(scorer).score([("q", "a")]) == [1.0]
    assert scorer.passes == [[("q", "a")]]


async def test_each_pass_is_reported_with_its_pairs_and_seconds() -> None:
    passes: list[tuple[int, float]] = []
    gathering = GatheringScorer(Counted(), on_pass=lambda *noted: passes.append(noted))
    await asyncio.gather(*calls(gathering, "a", "bb", "a"))
    gathering.score([("q", "a")])
    at_once = GatheringScorer(Counted(), wait_ms=0, on_pass=gathering.on_pass)
    await asyncio.gather(*calls(at_once, "a", "bb"))
    assert [pairs for pairs, _ in passes] == [2, 1, 1, 1]
    assert all(0 <= seconds < 60 for _, seconds in passes)


async def test_a_failed_pass_is_reported_too() -> None:
    def fail(passage: str) -> float:
        raise OutOfMemoryError(passage)

    passes: list[int] = []
    gathering = GatheringScorer(Counted(fail), on_pass=lambda pairs, _: passes.append(pairs))
    await asyncio.gather(*calls(gathering, "a", "bb"), return_exceptions=True)
    assert passes == [2, 1, 1]


def test_it_can_be_copied_and_pickled() -> None:
    gathering = GatheringScorer(load_scorer("mini"), wait_ms=5, max_pairs=7)
    for again in (copy.deepcopy(gathering), pickle.loads(pickle.dumps(gathering))):
        assert (again.scorer, again.wait_ms, again.max_pairs) == (load_scorer("mini"), 5, 7)


@pytest.mark.parametrize("wait", [-1.0, float("nan"), float("inf")])
def test_an_impossible_wait_is_refused_with_its_value(wait: float) -> None:
    for refused in (
        lambda: GatheringScorer(Counted(), wait_ms=wait),
        lambda: load_scorer("mini", batch_wait_ms=wait),
    ):
        with pytest.raises(ConfigurationError, match=f"wait_ms is {wait}; pass 0"):
            refused()


def test_a_pass_of_no_pairs_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="max_pairs is 0"):
        GatheringScorer(Counted(), max_pairs=0)


async def test_new_rerankers_for_each_call_share_a_pass_over_the_weights(
    minis_passes: list[Pairs],
) -> None:
    def rerank(number: int) -> Any:
        reranker = Reranker(load_scorer("mini", "torch", dtype="float32"), top_n=None)
        return reranker.arerank(f"{QUERY} {number}", PASSAGES[number % 2 :])

    rankings = await asyncio.gather(*map(rerank, range(20)))
    assert [len(pairs) for pairs in minis_passes] == [10 * 4 + 10 * 3]
    for number in range(0, 20, 7):
        [alone] = await asyncio.gather(rerank(number))
        assert [r.index for r in rankings[number]] == [r.index for r in alone]
        together = [ranked.logit for ranked in rankings[number]]
        assert together == pytest.approx([ranked.logit for ranked in alone], abs=1e-4)


async def test_calls_through_both_adapters_share_a_pass(minis_passes: list[Pairs]) -> None:
    compressor = BGERerankerCompressor(model_name="mini", backend="torch", top_n=1)
    postprocessor = BGERerankerPostprocessor(model_name="mini", backend="torch", top_n=1)
    documents, nodes = await asyncio.gather(
        compressor.acompress_documents([Document(text) for text in PASSAGES], QUERY),
        postprocessor.apostprocess_nodes(
            [NodeWithScore(node=TextNode(text=text)) for text in PASSAGES], query_str=QUERY
        ),
    )
    assert documents[0].page_content == nodes[0].text == PASSAGES[1]
    assert minis_passes == [[(QUERY, text) for text in PASSAGES]]
