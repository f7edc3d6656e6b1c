"""The texts to rank: one query, and documents of a given length made from the demo collection."""

from __future__ import annotations

import random
from dataclasses import dataclass

from bge_rerank.data.demo import demo_collection
from bge_rerank.errors import ConfigurationError

LENGTHS = {"short": (10, 60), "mixed": (10, 450), "long": (300, 450)}
"""The minimum and maximum number of words of a document."""

SEED = 20
"""Not the seed of the calibration pairs of int8 exports, so that the texts differ."""


@dataclass(frozen=True, slots=True)
class Workload:
    """The texts of one call to a reranker. `length` is a name of `LENGTHS`. All documents differ."""

    length: str
    query: str
    documents: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the number and length of the passages, in words."""
        return f"{len(self.documents):,} {self.length} passages"


def make_workload(length: str, depth: int) -> Workload:
    """Draw documents: consecutive words of the demo collection, with lengths even on a logarithmic scale.

    Every call draws the same documents. A smaller depth returns the first documents of a larger depth.

    Raises:
        ConfigurationError: The length is unknown, or the depth is below 1.

    >>> workload = make_workload("short", depth=20)
    >>> workload.name, len(set(workload.documents))
    ('20 short passages', 20)
    """
    if length not in LENGTHS:
        raise ConfigurationError(f"length is {length!r}; choose one of {', '.join(LENGTHS)}")
    if depth < 1:
        raise ConfigurationError(f"depth is {depth}; give 1 or more passages")
    collection = demo_collection()
    words = " ".join(passage.text for passage in collection.passages).split()
    draw = random.Random(SEED)  # noqa: S311 - samples, no secrets
    documents: dict[str, None] = {}
    # All documents must differ, because some contenders score equal documents only once.
    while len(documents) < depth:
        documents[_running_words(words, *LENGTHS[length], draw)] = None
    return Workload(length, next(iter(collection.questions.values())), tuple(documents))


def _running_words(words: list[str], shortest: int, longest: int, draw: random.Random) -> str:
    count = round(shortest * (longest / shortest) ** draw.random())
    start = draw.randrange(len(words) - count + 1)
    return " ".join(words[start : start + count])
