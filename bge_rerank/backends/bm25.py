"""`Bm25Scorer`: scores by shared words, weighted by how rare they are among the candidates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from bge_rerank.extras import needs_extra
from bge_rerank.types import Pair


class Bm25Scorer:
    """A scorer by BM25, among the passages of the same query in a call.

    It needs no model, and scores a hundred passages in some milliseconds. A word is a run of two or more
    letters and digits, in lower case. Frequent words count too, so it works for every language with spaces
    between words.

    >>> Bm25Scorer().score([("tides", "bread rises"), ("tides", "the tides of the sea")])
    [0.0, 0.23...]
    """

    model_name = "bm25"
    compares_within_call = True
    """Its scores can be compared only within a call, so each request needs its own call."""

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        """Return the BM25 score of each pair.

        Returns:
            Scores of 0 or more, one for each pair, in input order. They are not logits, and can be compared
            only within a query and a call.

        Raises:
            MissingDependencyError: `bm25s` is not installed.
        """
        of_query: defaultdict[str, list[int]] = defaultdict(list)
        for index, (query, _) in enumerate(pairs):
            of_query[query].append(index)
        scores = [0.0] * len(pairs)
        for query, indices in of_query.items():
            passages = [pairs[index][1] for index in indices]
            for index, score in zip(indices, bm25(query, passages), strict=True):
                scores[index] = score
        return scores


def bm25(query: str, passages: Sequence[str]) -> list[float]:
    """Return the BM25 score of each passage for a query; 0 for a passage that shares no word.

    >>> bm25("tides", ["bread rises", ""])
    [0.0, 0.0]

    Raises:
        MissingDependencyError: `bm25s` is not installed.
    """
    with needs_extra("bm25", "BM25"):
        import bm25s
    [words, *passage_words] = bm25s.tokenize(
        [query, *passages], stopwords=None, return_ids=False, show_progress=False
    )
    if not any(passage_words):
        return [0.0] * len(passages)
    index = bm25s.BM25()
    index.index(passage_words, show_progress=False)
    scores: list[float] = index.get_scores_from_ids(index.get_tokens_ids(words)).tolist()
    return scores
