"""The requests of a call pause together, and their failures count together."""

import asyncio

from bge_rerank.backends.http.attempts import ATTEMPTS, REFUSALS, Attempts


def attempts_of_a_call(running: int = 2) -> Attempts:
    return Attempts(asyncio.timeout_at(asyncio.get_running_loop().time() + 60), running)


async def test_requests_that_fail_at_the_same_time_count_as_one_round() -> None:
    attempts = attempts_of_a_call()
    for _ in range(3):
        attempts.failed(0, None)
    wait = attempts.wait()
    assert wait is not None
    assert 0.1 <= wait <= 0.2


async def test_a_call_ends_after_six_failed_rounds() -> None:
    attempts = attempts_of_a_call()
    for round_ in range(ATTEMPTS - 1):
        attempts.failed(round_, None)
        assert attempts.wait() is not None
    attempts.failed(ATTEMPTS - 1, None)
    assert attempts.wait() is None


async def test_an_answer_resets_the_count() -> None:
    attempts = attempts_of_a_call()
    for round_ in range(3 * ATTEMPTS):
        attempts.failed(round_, None)
        attempts.answered()
    assert attempts.wait() is not None


async def test_a_pause_past_the_deadline_ends_the_call() -> None:
    attempts = attempts_of_a_call()
    attempts.failed(0, 61.0)
    assert attempts.wait() is None


async def test_a_request_that_waited_for_its_turn_sees_the_pause() -> None:
    running, began = asyncio.Semaphore(1), []
    attempts = attempts_of_a_call(running=1)

    async def request() -> None:
        async with attempts.turn(running) as round_:
            began.append((round_, attempts.wait()))
            if round_ == 0:
                await asyncio.sleep(0)
                attempts.failed(round_, None)

    await asyncio.gather(request(), request(), request())
    assert began == [(0, 0.0), (1, 0.0), (1, 0.0)]


async def test_refusals_lower_the_most_texts_and_end_the_call() -> None:
    attempts = attempts_of_a_call()
    assert all(attempts.refused(texts) for texts in (33, 17, 9, 1))
    assert attempts.most_texts == 5
    attempts.answered()
    assert [attempts.refused(1) for _ in range(2 * REFUSALS)].index(False) == 2 * REFUSALS - 1
