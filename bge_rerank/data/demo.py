"""The demo's test collection: 204 passages on 12 invented subjects, 60 questions, graded judgements.

It was written for this project and has the project's licence. Passages on one subject are near-misses
of one another: the same subject, another fact. Grade 2 answers the question, 1 helps partly, 0 does
not answer.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from bge_rerank.data.beir import read_beir
from bge_rerank.data.labelled import LabelledCollection

FOLDER = Path(__file__).parent / "corpus"


@cache
def demo_collection() -> LabelledCollection:
    """Read the collection that the package contains.

    >>> collection = demo_collection()
    >>> len(collection.passages), len(collection.questions)
    (204, 60)
    """
    return read_beir(FOLDER)
