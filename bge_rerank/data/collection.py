"""`LabelledCollection`: passages to search, queries, and labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bge_rerank.data.labelled import LabelledQuery


class LabelledCollection(NamedTuple):
    """A collection with labels, all of it held in memory.

    Attributes:
        texts: Passage id to title and text, with a space between.
        questions: Query id to query.
        judgements: Query id to passage id to grade, of one split.
    """

    texts: dict[str, str]
    questions: dict[str, str]
    judgements: dict[str, dict[str, int]]

    def labelled_queries(self) -> Iterator[LabelledQuery]:
        """Give the queries of the split, in the order of its labels, for a retriever to search."""
        for id_, relevant in self.judgements.items():
            yield LabelledQuery(id_, self.questions[id_], None, relevant)
