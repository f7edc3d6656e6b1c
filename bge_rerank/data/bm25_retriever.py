"""`Bm25Retriever`: a first stage over a collection in memory, by BM25."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from bge_rerank.data.labelled import Candidate
from bge_rerank.extras import needs_extra

K1, B = 0.9, 0.4
"""Anserini's: its BM25 over title and text is the baseline that is published for BEIR."""


class Bm25Retriever:
    """Find the passages of a collection that share words with a query, English stems compared.

    >>> find = Bm25Retriever({"a": "bread rises", "b": "the tide and other tides"}, depth=10)
    >>> find("what causes tides?")
    [('b', 'the tide and other tides')]
    """

    def __init__(self, texts: Mapping[str, str], depth: int) -> None:
        """Keep the texts; they are indexed when the first query comes.

        Args:
            texts: Passage id to text.
            depth: The most passages to find, from 1 on.

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
        """Return id and text of the passages found, best first; ties in the collection's order.

        A passage without a word in common is not found.
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
        """The index, or nothing where no text has a word."""
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
