"""`Bm25Scorer`: words in common, weighted by how rare they are among the candidates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from bge_rerank.extras import needs_extra
from bge_rerank.types import Pair


class Bm25Scorer:
    """Score passages by BM25 over those that stand with the same query in the call.

    It needs no model; a hundred passages take some milliseconds. Words are runs of two or more
    letters and digits, in lower case, and none is left out as too common, so it is for any language
    that puts spaces between words.

    >>> Bm25Scorer().score([("tides", "bread rises"), ("tides", "the tides of the sea")])
    [0.0, 0.23...]
    """

    model_name = "bm25"
    compares_within_call = True
    """Its scores compare within one call only, so each request needs a call."""

    def score(self, pairs: Sequence[Pair], /) -> list[float]:
        """Score each pair among those of its query.

        Returns:
            BM25 scores from 0 on, no logits, one per pair, in input order. They compare within a
            query and a call only.

        Raises:
            MissingDependencyError: `bm25s` is not installed.
        """
        places: defaultdict[str, list[int]] = defaultdict(list)
        for place, (query, _) in enumerate(pairs):
            places[query].append(place)
        scores = [0.0] * len(pairs)
        for query, its_places in places.items():
            passages = [pairs[place][1] for place in its_places]
            for place, score in zip(its_places, bm25(query, passages), strict=True):
                scores[place] = score
        return scores


def bm25(query: str, passages: Sequence[str]) -> list[float]:
    """Return the BM25 score of each passage for a query, 0 where they share no word.

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
