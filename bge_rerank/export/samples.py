"""Pairs from the demo collection, to quantise exports and to check them."""

from __future__ import annotations

import random

from bge_rerank.data.demo import demo_collection
from bge_rerank.types import Pair

SEED = 7
SHORTEST, LONGEST = 10, 450
"""The number of words of a passage. Lengths are even on a logarithmic scale, as those of retrieved passages are."""


def sample_pairs(count: int) -> list[Pair]:
    """Return pairs of the demo collection's questions with consecutive words of its passages.

    Every call returns the same pairs. Every second passage starts with an answer to its question.
    """
    draw = random.Random(SEED)  # noqa: S311 - samples, no secrets
    collection = demo_collection()
    texts = {passage.id: passage.text for passage in collection.passages}
    words = " ".join(texts.values()).split()
    pairs: list[Pair] = []
    for number in range(count):
        question = draw.choice(list(collection.questions))
        length = round(SHORTEST * (LONGEST / SHORTEST) ** draw.random())
        start = draw.randrange(len(words) - length)
        running = words[start : start + length]
        answers = collection.judgements[question]
        best = texts[max(answers, key=lambda passage: answers[passage])].split()
        passage = [*best, *running][:length] if number % 2 else running
        pairs.append((collection.questions[question], " ".join(passage)))
    return pairs
