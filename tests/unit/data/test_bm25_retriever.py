"""BM25 as a first stage."""

import sys

import pytest

from bge_rerank import MissingDependencyError
from bge_rerank.evaluation import Bm25Retriever


def test_bm25_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "Stemmer", None)
    with pytest.raises(
        MissingDependencyError, match=r"BM25 needs Stemmer.*'bge-rerank\[evaluate\]'"
    ):
        Bm25Retriever({}, depth=1)
