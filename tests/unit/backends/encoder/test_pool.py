import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from bge_rerank.backends.encoder import pool as pools
from bge_rerank.backends.encoder.pool import BATCHES_AHEAD, REST_SECONDS, ForwardPool


def test_results_come_in_the_order_of_the_batches() -> None:
    pool = ForwardPool([lambda batch: batch * 2] * 3)
    assert list(pool.run(range(50))) == [2 * batch for batch in range(50)]


def test_runners_work_at_the_same_time_each_on_one_batch() -> None:
    both_at_work = threading.Barrier(2, timeout=10)
    at_work = [threading.Lock(), threading.Lock()]

    def runner(lock: threading.Lock) -> int:
        assert lock.acquire(blocking=False)
        both_at_work.wait()
        lock.release()
        return 1

    pool = ForwardPool([lambda batch, lock=lock: runner(lock) for lock in at_work])
    assert sum(pool.run(range(8))) == 8


def test_only_few_batches_are_taken_before_their_results_are_read() -> None:
    taken: list[int] = []

    def batches() -> Iterator[int]:
        for batch in range(100):
            taken.append(batch)
            yield batch

    results = ForwardPool([lambda batch: batch]).run(batches())
    next(results)
    assert len(taken) <= BATCHES_AHEAD + 2


def test_a_short_call_does_not_wait_for_all_of_a_long_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on = threading.Semaphore(0)
    done: list[str] = []

    def runner(batch: str) -> str:
        go_on.acquire(timeout=10)
        done.append(batch)
        return batch

    pool = ForwardPool([runner])
    handed_over = threading.Event()
    hand_over = pool._hand_over

    def hand_over_and_tell(turn: int, batch: str) -> Any:
        future = hand_over(turn, batch)
        if batch == "short":
            handed_over.set()
        return future

    monkeypatch.setattr(pool, "_hand_over", hand_over_and_tell)
    long = threading.Thread(target=lambda: list(pool.run(["long"] * 40)))
    long.start()
    short = threading.Thread(target=lambda: list(pool.run(["short"])))
    for _ in range(3):
        go_on.release()
    short.start()
    assert handed_over.wait(timeout=10)
    go_on.release(100)
    long.join()
    short.join()
    assert done.index("short") <= 3 + BATCHES_AHEAD + 2


def test_an_error_is_raised_and_batches_that_have_not_started_are_dropped() -> None:
    begun: list[int] = []

    def runner(batch: int) -> int:
        begun.append(batch)
        if batch == 1:
            raise ValueError("no")
        return batch

    pool = ForwardPool([runner])
    with pytest.raises(ValueError, match="no"):
        list(pool.run(range(100)))
    assert len(begun) <= 2 + BATCHES_AHEAD + 1
    assert list(pool.run([7])) == [7]


def test_calls_take_turns_by_the_cost_of_their_batches() -> None:
    go_on = threading.Semaphore(0)
    done: list[str] = []

    def runner(batch: str) -> None:
        go_on.acquire(timeout=10)
        done.append(batch)

    pool = ForwardPool([runner], cost=len)
    longs = [
        threading.Thread(target=list, args=(pool.run([f"long call {n}"] * 3),)) for n in range(4)
    ]
    for long in longs:
        long.start()
    while pool._waiting.qsize() < 4 * 3 - 1:
        threading.Event().wait(0.01)
    short = threading.Thread(target=list, args=(pool.run(["s1", "s2"]),))
    short.start()
    while pool._waiting.qsize() < 4 * 3 - 1 + 2:
        threading.Event().wait(0.01)
    go_on.release(100)
    for call in (*longs, short):
        call.join()
    # The first batches of the long calls ran before the short call. Their second batches wait for both of its batches.
    assert done.index("s2") == 5
    assert len(done) == 14


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_waits_for_the_running_batch_and_the_pool_works_in_both_processes() -> None:
    begun, go_on = threading.Event(), threading.Event()
    done: list[int] = []

    def runner(batch: int) -> int:
        begun.set()
        go_on.wait(10)
        done.append(batch)
        return batch

    pool = ForwardPool([runner])
    call = threading.Thread(target=list, args=(pool.run([1, 2, 3]),))
    call.start()
    assert begun.wait(10)
    threading.Timer(0.05, go_on.set).start()
    child = os.fork()
    if child == 0:
        # Whether the batch that ran during the fork has ended, and whether the pool works in the child.
        os._exit(0 if 1 in done and list(pool.run([7])) == [7] else 1)
    call.join()
    assert os.waitpid(child, 0)[1] == 0
    assert list(pool.run([8])) == [8]
    assert done == [1, 2, 3, 8]


def test_a_fork_lets_the_threads_of_a_library_rest_after_a_batch_and_only_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times, pauses = [100.0], list[float]()
    monkeypatch.setattr(pools, "monotonic", lambda: times[-1])
    monkeypatch.setattr(pools, "sleep", pauses.append)
    pool = ForwardPool([lambda batch: batch])
    list(pool.run([1]))
    for time in (100.0, 100.0 + REST_SECONDS / 4, 101.0):
        times.append(time)
        pool.before_fork(10)
        pool.after_fork()
    assert pauses == pytest.approx([REST_SECONDS, 3 * REST_SECONDS / 4, 0.0])


def test_a_fork_does_not_wait_for_ever() -> None:
    go_on = threading.Event()
    pool = ForwardPool([lambda batch: go_on.wait(10) and batch])
    call = threading.Thread(target=list, args=(pool.run([1]),))
    call.start()
    pool.before_fork(0.01)
    pool.after_fork()
    go_on.set()
    call.join()
    assert list(pool.run([2])) == [2]
