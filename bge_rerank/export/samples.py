"""Pairs to calibrate and to check with: the caller's, or the demo collection's."""

from __future__ import annotations

import json
import random
from pathlib import Path

from bge_rerank.data.demo import demo_collection
from bge_rerank.errors import InvalidInputError
from bge_rerank.inputs import checked_query, checked_texts
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


def read_pairs(path: Path) -> list[Pair]:
    """Read pairs from JSONL: an object a line, with strings `query` and `text`.

    Raises:
        InvalidInputError: The file cannot be read, is empty, or a line is no such object.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"cannot read {str(path)!r}: {error}") from error
    pairs = [
        _pair(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()
    ]
    if not pairs:
        raise InvalidInputError(f"{str(path)!r} has no pairs; give a JSON object a line")
    return pairs


def _pair(line: str, place: str) -> Pair:
    try:
        record = json.loads(line)
        query, text = record["query"], record["text"]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(
            f"{place}: no object with strings 'query' and 'text'; write one a line"
        ) from error
    return checked_query(query), checked_texts([text])[0]
