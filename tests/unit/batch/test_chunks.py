"""Rows are gathered into chunks: all of them, in order, within the limits."""

from hypothesis import given
from hypothesis import strategies as st

from bge_rerank.batch.chunks import chunks
from bge_rerank.batch.rows import Failure, Row

PASSAGES = st.lists(st.text(max_size=9), min_size=1, max_size=6)


@given(st.lists(st.none() | PASSAGES), st.integers(1, 12), st.integers(1, 60))
def test_chunks_hold_each_row_once_in_order_and_within_the_limits(
    given_rows: list[list[str] | None], most_pairs: int, most_characters: int
) -> None:
    rows = [
        Failure(number, None, "no query")
        if passages is None
        else Row(number, str(number), "query", passages, None)
        for number, passages in enumerate(given_rows, 1)
    ]
    found = list(chunks(rows, most_pairs, most_characters))
    numbers = [sorted(row.number for row in (*chunk.rows, *chunk.failures)) for chunk in found]
    assert [number for some in numbers for number in some] == [row.number for row in rows]
    assert [chunk.last for chunk in found] == [some[-1] for some in numbers]
    for chunk, some in zip(found, numbers, strict=True):
        characters = sum(len("query") + len(text) for row in chunk.rows for text in row.passages)
        assert len(some) <= max(most_pairs, 1)
        assert len(some) == 1 or (chunk.pairs <= most_pairs and characters <= most_characters)


def test_a_row_is_added_as_long_as_it_fits() -> None:
    rows = [Row(number, str(number), "q", ["a"] * 3, None) for number in range(1, 8)]
    assert [chunk.pairs for chunk in chunks(rows, 9, 1_000)] == [9, 9, 3]
