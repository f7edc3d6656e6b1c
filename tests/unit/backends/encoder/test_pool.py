import threading
from collections.abc import Iterator
from typing import Any

import pytest

from bge_rerank.backends.encoder.pool import BATCHES_AHEAD, ForwardPool


def test_results_come_in_the_order_of_the_batches() -> None:
    pool = ForwardPool([lambda batch: batch * 2] * 3)
    assert list(pool.run(range(50))) == [2 * batch for batch in range(50)]


def test_runners_work_at_the_same_time_and_each_on_one_batch() -> None:
    both_at_work = threading.Barrier(2, timeout=10)
    at_work = [threading.Lock(), threading.Lock()]

    def runner(lock: threading.Lock) -> int:
        assert lock.acquire(blocking=False)
        both_at_work.wait()
        lock.release()
        return 1

    pool = ForwardPool([lambda batch, lock=lock: runner(lock) for lock in at_work])
    assert sum(pool.run(range(8))) == 8


def test_few_batches_are_taken_ahead_of_the_results() -> None:
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
    submit = pool._executor.submit

    def submit_and_tell(function: Any, batch: str) -> Any:
        future = submit(function, batch)
        if batch == "short":
            handed_over.set()
        return future

    monkeypatch.setattr(pool._executor, "submit", submit_and_tell)
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


def test_a_fault_is_raised_and_what_had_not_begun_is_left_out() -> None:
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
