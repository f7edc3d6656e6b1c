"""Queries of one or two words, such as a name or a code: the first stage often answers them alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import fmean

from bge_rerank.evaluation.paired import bootstrap_interval

MOST_WORDS = 2
MOST_CHARACTERS = 30
"""The longest query that counts as keywords: in a script without spaces, a question is longer."""
_WORD = re.compile(r"[\u2e80-\u9fff\uac00-\ud7ff]{1,2}|[^\s\u2e80-\u9fff\uac00-\ud7ff]+")
"""A word between spaces. Scripts of East Asia have no spaces, so two characters count as a word."""


def is_keywords(query: str) -> bool:
    """Say whether a query has at most two words. This is a rule of thumb, not a classifier.

    >>> [is_keywords(query) for query in ("ERR-502", "tide tables", "what causes tides", "潮汐是怎么形成的")]
    [True, True, False, False]
    """
    return len(query) <= MOST_CHARACTERS and len(_WORD.findall(query)) <= MOST_WORDS


def why_not_keywords(keywords: Sequence[bool], differences: Sequence[float]) -> str | None:
    """Say that most queries are keywords and reranking does not help them, else return `None`.

    Args:
        keywords: For each query, whether it is keywords.
        differences: For each query, nDCG@k after minus before.

    >>> why_not_keywords([True, True, False], [0.0, 0.0, 0.4])
    'most queries are keywords (2 of 3 have 2 words or fewer), and their mean gain is not above the noise (+0.000; 95 % interval +0.000 to +0.000), so rerank only the other queries'
    >>> why_not_keywords([True, False, False], [0.0, 0.1, 0.4])
    """
    theirs = [change for change, is_one in zip(differences, keywords, strict=True) if is_one]
    if 2 * len(theirs) <= len(differences):
        return None
    low, high = bootstrap_interval(theirs)
    if low > 0:
        return None
    return (
        f"most queries are keywords ({len(theirs)} of {len(differences)} have {MOST_WORDS} words or "
        f"fewer), and their mean gain is not above the noise ({fmean(theirs):+.3f}; 95 % interval "
        f"{low:+.3f} to {high:+.3f}), so rerank only the other queries"
    )
