"""The demo's test collection: 204 passages on 12 invented subjects, 60 questions, graded judgements.

The collection was written for this project and has the project's licence. The passages on a subject
state different facts about it, so they are near misses of one another. Grade 2 means that a passage
answers the question, 1 that it helps, 0 that it does not.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from bge_rerank.data.beir import read_beir
from bge_rerank.data.labelled import LabelledCollection

FOLDER = Path(__file__).parent / "corpus"


@cache
def demo_collection() -> LabelledCollection:
    """Return the collection that the package contains.

    >>> collection = demo_collection()
    >>> len(collection.passages), len(collection.questions)
    (204, 60)
    """
    return read_beir(FOLDER)
