"""Generated labelled queries, and a scorer that is right about most of them."""

import os
import random
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bge_rerank.evaluation import LabelledQuery

CANDIDATES = 6


def labelled_queries(count: int, words_of_text: int = 5) -> Iterator[LabelledQuery]:
    """Give queries whose answer stands at a random position, and starts with "answer" in four of five."""
    for number in range(count):
        draw = random.Random(number)
        answer = draw.randrange(CANDIDATES)
        filler = " ".join(f"word{draw.randrange(10**6)}" for _ in range(words_of_text))
        told = "answer" if draw.random() < 0.8 else "nothing"
        texts = [f"{told if place == answer else 'other'} {place} {filler}" for place in range(6)]
        candidates = [(f"p{place}", text) for place, text in enumerate(texts)]
        relevant = {f"p{answer}": 1 + draw.randrange(2), "missed": draw.randrange(2)}
        yield LabelledQuery(f"q{number}", f"question {number}", candidates, relevant)


class Told:
    """Ranks passages that start with "answer" first, and the rest from the last position to the first."""

    def __init__(self, before: Callable[[int], None] = lambda _number: None) -> None:
        self.calls = 0
        self.before = before

    def score(self, pairs: Sequence[tuple[str, str]], /) -> list[float]:
        self.before(self.calls)
        self.calls += 1
        return [10.0 * text.startswith("answer") + int(text.split()[1]) for _, text in pairs]


def evaluate_and_be_killed(folder: str, count: int, at: int) -> None:
    """Evaluate in this process, and kill it before a given call to the scorer."""
    from bge_rerank.evaluation import evaluate

    def kill(number: int) -> None:
        if number == at:
            os.kill(os.getpid(), signal.SIGKILL)

    evaluate(labelled_queries(count), {"told": Told(kill)}, output=Path(folder))
