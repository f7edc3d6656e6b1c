"""Pairs of the demo collection, to quantise an export with and to check it."""

from __future__ import annotations

import random

from bge_rerank.data.demo import demo_collection
from bge_rerank.types import Pair

SEED = 7
SHORTEST, LONGEST = 10, 450
"""Words of a sample's passage: spread evenly on a logarithmic scale, as retrieved passages are."""


def sample_pairs(count: int) -> list[Pair]:
    """Return pairs of the demo collection's questions with running words of its passages.

    The same each time. Every second passage is one that answers the question.
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
