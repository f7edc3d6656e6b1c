"""`Bm25Retriever`: BM25 as a first stage, over a collection in memory."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from bge_rerank.data.labelled import Candidate
from bge_rerank.extras import needs_extra

K1, B = 0.9, 0.4
"""The parameters of Anserini, whose BM25 over title and text is BEIR's published baseline."""


class Bm25Retriever:
    """A retriever of the passages that share words with a query, by English word stems.

    >>> find = Bm25Retriever({"a": "bread rises", "b": "the tide and other tides"}, depth=10)
    >>> find("what causes tides?")
    [('b', 'the tide and other tides')]
    """

    def __init__(self, texts: Mapping[str, str], depth: int) -> None:
        """Keep the texts. The first query builds the index.

        Args:
            texts: Passage id to text.
            depth: The most passages to return for a query, from 1 on.

        Raises:
            MissingDependencyError: `bm25s` or `PyStemmer` is not installed.
        """
        with needs_extra("evaluate", "the first stage by BM25"):
            import bm25s
            import Stemmer
        self._bm25s, self._stemmer = bm25s, Stemmer.Stemmer("english")
        self.texts = texts
        self.depth = depth
        self._ids = list(texts)

    def __call__(self, query: str) -> list[Candidate]:
        """Return (id, text) of the passages that share a word with the query, best first.

        Passages with equal scores keep the collection's order.
        """
        import numpy as np

        [words] = self._words([query])
        if self._index is None:
            return []
        scores = self._index.get_scores_from_ids(self._index.get_tokens_ids(words))
        found = np.flatnonzero(scores > 0)
        best = found[np.argsort(-scores[found], kind="stable")[: self.depth]]
        return [(self._ids[place], self.texts[self._ids[place]]) for place in best]

    @cached_property
    def _index(self) -> Any:
        """The index; `None` if no text has a word."""
        words = self._words(list(self.texts.values()))
        if not any(words):
            return None
        index = self._bm25s.BM25(k1=K1, b=B)
        index.index(words, show_progress=False)
        return index

    def _words(self, texts: list[str]) -> list[list[str]]:
        words: list[list[str]] = self._bm25s.tokenize(
            texts, stopwords="en", stemmer=self._stemmer, return_ids=False, show_progress=False
        )
        return words
