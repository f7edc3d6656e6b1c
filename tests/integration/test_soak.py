"""Under many clients, cancellations and a restart, all answers are right, and the memory stays flat."""

import asyncio
import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import product
from pathlib import Path

import httpx
import psutil
import pytest

from bge_rerank import ServerError, load_scorer
from bge_rerank.backends.http.scorer import HttpScorer
from bge_rerank.data.demo import demo_collection
from memory_slope import memory_slope
from served import Served, free_port, served

CLIENTS = 32
SIZES = (1, 5, 5, 5, 20, 60)
SHARE_CANCELLED = 0.1
MOST_GROWTH = 64_000_000
"""The maximum growth in bytes: allocators take this much. A leak of the answers would exceed it within a minute."""

WARM_UP_SECONDS, MINUTES = 120, 30
WARM_UP_ANSWERS = 2_000
"""oneDNN keeps the last 1,024 primitives that it made, one for each shape of a batch. Until that many are made,
the memory grows with the answers, by some 100 MB in all. It is flat with a `ONEDNN_PRIMITIVE_CACHE_CAPACITY` of 16."""


Logits = dict[tuple[str, str], float]


@cache
def logits_of(model: str) -> Logits:
    """Return the pairs that clients ask for, and their logits."""
    collection = demo_collection()
    questions = list(collection.questions.values())[:4]
    # Short passages, so that the model takes little of the time.
    passages = [passage.text[:80] for passage in collection.passages[:80]]
    pairs = list(product(questions, passages))
    scorer = load_scorer(model, "torch", dtype="float32")
    return dict(zip(pairs, scorer.score(pairs), strict=True))


@contextmanager
def server(python: Path, model: str, port: int) -> Iterator[Served]:
    """Run the command, and end it after the block with SIGTERM, as a container is stopped."""
    flags = ("--model", model, "--backend", "torch", "--dtype", "float32", "--port", str(port))
    with served(python, *flags) as server:
        try:
            yield server
        finally:
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(60)


async def ask_until(
    end: threading.Event,
    scorer: HttpScorer,
    logits: Logits,
    chance: random.Random,
) -> Counter[str]:
    seen: Counter[str] = Counter()
    while not end.is_set():
        query, _ = chance.choice([*logits])
        pairs = [pair for pair in logits if pair[0] == query]
        pairs = chance.sample(pairs, chance.choice(SIZES))
        asking = asyncio.ensure_future(scorer.ascore(pairs))
        if chance.random() < SHARE_CANCELLED:
            await asyncio.sleep(chance.random() / 5)
            asking.cancel()
        try:
            answer = await asking
        except asyncio.CancelledError:
            seen["cancelled"] += 1
        except ServerError:
            seen["refused"] += 1
        else:
            off = max(abs(logits[pair] - logit) for pair, logit in zip(pairs, answer, strict=True))
            seen["right" if off < 1e-3 else f"off by {off}"] += 1
    return seen


async def ask_all(end: threading.Event, port: int, logits: Logits) -> Counter[str]:
    """Let all clients ask until the end, and return the counts of their results."""
    scorer = load_scorer("m", "tei", base_url=f"http://127.0.0.1:{port}").loaded()
    seen = await asyncio.gather(
        *(ask_until(end, scorer, logits, random.Random(seed)) for seed in range(CLIENTS))
    )
    return sum(seen, Counter())


def wait_for(port: int, answers: int, seconds: float, patience: float = 300) -> None:
    """Wait until the server has given `answers` answers, and at least `seconds`, and `patience` seconds more at most."""
    soonest = time.monotonic() + seconds
    while time.monotonic() < soonest or answered(port) < answers:
        assert time.monotonic() < soonest + patience
        time.sleep(0.2)


def answered(port: int) -> float:
    metrics = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=60).text
    found = re.search(r'te_request_success_total{method="rerank"} (\S+)', metrics)
    return float(found[1]) if found else 0


def memory(*processes: psutil.Process) -> list[int]:
    return [process.memory_info().rss for process in processes]


@pytest.mark.parametrize(
    ("model", "seconds"), [("tiny", 2), pytest.param("mini", 40, marks=pytest.mark.long)]
)
def test_during_a_restart_every_answer_is_right_or_an_error_and_memory_stays_flat(
    model: str, seconds: float, tiny_reranker: Path, preloaded_python: Path
) -> None:
    model = str(tiny_reranker) if model == "tiny" else model
    port = free_port()
    end = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        with server(preloaded_python, model, port) as first:
            asked = thread.submit(asyncio.run, ask_all(end, port, logits_of(model)))
            wait_for(port, CLIENTS, seconds)
        with server(preloaded_python, model, port) as second:
            processes = psutil.Process(second.process.pid), psutil.Process()
            # The first answers are not counted, because allocators still grow.
            wait_for(port, 3 * CLIENTS, seconds)
            before = memory(*processes)
            wait_for(port, 4 * CLIENTS, seconds)
            grown = [after - was for after, was in zip(memory(*processes), before, strict=True)]
            end.set()
            seen = asked.result()
            metrics = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    print(dict(seen), "bytes more:", grown)
    assert set(seen) <= {"right", "refused", "cancelled"}
    assert seen["right"] > 4 * CLIENTS
    assert seen["cancelled"] > 0
    assert "te_queue_size 0.0" in metrics
    assert max(grown) < MOST_GROWTH
    for ended in (first, second):
        assert not re.search("Traceback|ERROR", "".join(ended.lines))


@pytest.mark.long
def test_the_servers_memory_stays_flat_for_half_an_hour(preloaded_python: Path) -> None:
    port, end = free_port(), threading.Event()
    answers: list[float] = []
    held: list[int] = []
    with ThreadPoolExecutor(1) as thread, server(preloaded_python, "mini", port) as running:
        process = psutil.Process(running.process.pid)
        asked = thread.submit(asyncio.run, ask_all(end, port, logits_of("mini")))
        wait_for(port, WARM_UP_ANSWERS, WARM_UP_SECONDS, patience=1_200)
        until = time.monotonic() + MINUTES * 60
        while time.monotonic() < until:
            time.sleep(5)
            answers.append(answered(port))
            held += memory(process)
        end.set()
        seen = asked.result()
    slope = memory_slope(answers, held)
    print(f"{answers[-1] - answers[0]:,.0f} answers: {slope}; {held[0]:,} to {held[-1]:,} bytes")
    assert set(seen) <= {"right", "cancelled"}
    assert slope.high * (answers[-1] - answers[0]) < MOST_GROWTH
