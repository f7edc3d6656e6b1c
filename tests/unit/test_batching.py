from hypothesis import given
from hypothesis import strategies as st

from bge_rerank.batching import length_ordered_batches

lengths_ = st.lists(st.integers(1, 200), max_size=60)
budgets = st.integers(1, 1_000)


@given(lengths_, budgets)
def test_every_index_comes_once(lengths: list[int], budget: int) -> None:
    batches = list(length_ordered_batches(lengths, budget))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))


@given(lengths_, budgets)
def test_no_batch_of_several_is_over_the_budget(lengths: list[int], budget: int) -> None:
    for batch in length_ordered_batches(lengths, budget):
        longest = max(lengths[index] for index in batch)
        assert len(batch) == 1 or len(batch) * longest <= budget


@given(lengths_, budgets)
def test_lengths_fall_from_batch_to_batch(lengths: list[int], budget: int) -> None:
    batches = length_ordered_batches(lengths, budget)
    flat = [lengths[index] for batch in batches for index in batch]
    assert flat == sorted(lengths, reverse=True)


@given(lengths_, budgets)
def test_a_batch_ends_only_where_one_more_row_would_not_fit(
    lengths: list[int], budget: int
) -> None:
    for batch in list(length_ordered_batches(lengths, budget))[:-1]:
        assert (len(batch) + 1) * lengths[batch[0]] > budget


def test_mixed_lengths_are_padded_little() -> None:
    lengths = [10 + 37 * index % 440 for index in range(128)]
    padded = sum(
        len(batch) * max(lengths[index] for index in batch)
        for batch in length_ordered_batches(lengths, 2_048)
    )
    assert padded < 1.1 * sum(lengths)
    assert padded < 0.6 * len(lengths) * max(lengths)
