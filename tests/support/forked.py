"""A process that scores, forks, and scores again in its children: `python forked.py BACKEND FOLDER`.

It prints a line of JSON: for each way to fork, "as the parent" if the child's scores are right, or its fault.
An alarm ends a child that hangs. Its threads' stacks then stand in standard error.
"""

import asyncio
import faulthandler
import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable

from bge_rerank import load_scorer

SECONDS = 60
"""The time until a child counts as hanging. Normally it needs one or two seconds."""
PAIRS = [
    ("what causes tides", f"{n} The Moon raises the tides. " * (1 + 5 * n % 7)) for n in range(12)
]
_, BACKEND, FOLDER = sys.argv if __name__ == "__main__" else ("", "torch", "mini")
SCORER = load_scorer(FOLDER, BACKEND, max_length=96)
OTHER = load_scorer(FOLDER, BACKEND, max_length=64)
"""Another configuration, which the parent has not loaded."""


def forked(holds: Callable[[], bool]) -> str:
    """Check a condition in a child, and return how the child ended."""
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        try:
            os._exit(0 if holds() else 3)
        finally:
            os._exit(4)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {0: "as the parent", 3: "other scores", 4: "raised", -14: "hung"}.get(code, str(code))


def scored(number: int) -> list[float]:
    signal.alarm(SECONDS)
    return SCORER.score(PAIRS)


def pooled(want: list[float]) -> str:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        answers = pool.map_async(scored, range(4)).get(SECONDS)
    return "as the parent" if answers == [want] * 4 else "other scores"


def while_a_thread_scores(holds: Callable[[], bool]) -> str:
    over = threading.Event()

    def score() -> None:
        while not over.is_set():
            SCORER.score(PAIRS)

    threads = [threading.Thread(target=score) for _ in range(2)]
    for thread in threads:
        thread.start()
    ends = {forked(holds) for _ in range(5)}
    over.set()
    for thread in threads:
        thread.join()
    return " and ".join(sorted(ends))


def main() -> None:
    """Fork in each way."""
    faulthandler.register(signal.SIGALRM, chain=True)
    want = SCORER.score(PAIRS)

    def as_before() -> bool:
        return SCORER.score(PAIRS) == want

    ends = {
        "os.fork": forked(as_before),
        "awaited": forked(lambda: asyncio.run(SCORER.ascore(PAIRS)) == want),
        "a grandchild": forked(lambda: as_before() and forked(as_before) == "as the parent"),
        "multiprocessing": pooled(want),
        "while a thread scores": while_a_thread_scores(as_before),
        "another model loads": forked(lambda: len(OTHER.score(PAIRS)) == len(PAIRS)),
        "the parent afterwards": "as the parent" if as_before() else "other scores",
    }
    print(json.dumps(ends))


if __name__ == "__main__":
    main()
