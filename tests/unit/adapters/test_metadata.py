"""Candidates that are kept without a score: their order and their metadata."""

from hypothesis import given
from hypothesis import strategies as st

from bge_rerank import ServerError
from bge_rerank.adapters.metadata import (
    Unscored,
    first_stage_order,
    rerank_metadata,
    with_rerank_metadata,
)

ERROR = ServerError("http://host/rerank", "no memory", status=500)


@given(st.integers(0, 50), st.none() | st.integers(1, 60))
def test_the_first_candidates_are_kept_in_first_stage_order(count: int, top_n: int | None) -> None:
    kept = first_stage_order(range(count), top_n, ERROR)
    assert [left.index for left in kept] == list(range(count))[:top_n]


def test_metadata_holds_the_error_instead_of_a_score() -> None:
    [left] = first_stage_order([4], None, ERROR)
    assert left == Unscored(4, "http://host/rerank answered 500: no memory")
    assert rerank_metadata(left, "text", "text") == {"rerank_error": left.error}


def test_only_the_metadata_of_an_earlier_reranking_is_removed() -> None:
    metadata = {
        "rerank_score": 0.5,
        "rerank_probability": 0.9,
        "rerank_error": "x",
        "retrieval_score": 0.1,
        "score": 1,
    }
    left = Unscored(0, "no memory")
    assert with_rerank_metadata(metadata, left, "text", "text") == {
        "retrieval_score": 0.1,
        "score": 1,
        "rerank_error": "no memory",
    }
    assert len(metadata) == 5
