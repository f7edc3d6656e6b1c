from hypothesis import given
from hypothesis import strategies as st

from bge_rerank.backends.encoder.batches import even_batches, length_ordered_batches

lengths_ = st.lists(st.integers(1, 200), max_size=60)
budgets = st.integers(1, 1_000)
costs = st.integers(0, 400)


def total_cost(lengths: list[int], batches: list[list[int]], batch_cost: int) -> int:
    return sum(
        len(batch) * max(lengths[index] for index in batch) + batch_cost for batch in batches
    )


def least_cost(lengths: list[int], budget: int, batch_cost: int) -> int:
    """Return the lowest cost, by trying every division."""
    ordered = sorted(lengths)
    least = [0]
    for stop, longest in enumerate(ordered, start=1):
        least.append(
            min(
                least[start] + (stop - start) * longest + batch_cost
                for start in range(stop)
                if stop - start == 1 or (stop - start) * longest <= budget
            )
        )
    return least[-1]


@given(lengths_, budgets, costs)
def test_every_index_occurs_once(lengths: list[int], budget: int, batch_cost: int) -> None:
    batches = length_ordered_batches(lengths, budget, batch_cost)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(batches)


@given(lengths_, budgets, costs)
def test_no_batch_of_several_is_over_the_budget(
    lengths: list[int], budget: int, batch_cost: int
) -> None:
    for batch in length_ordered_batches(lengths, budget, batch_cost):
        longest = max(lengths[index] for index in batch)
        assert len(batch) == 1 or len(batch) * longest <= budget


@given(lengths_, budgets, costs)
def test_batches_go_from_long_to_short_and_equal_lengths_keep_their_order(
    lengths: list[int], budget: int, batch_cost: int
) -> None:
    batches = length_ordered_batches(lengths, budget, batch_cost)
    flat = [index for batch in batches for index in batch]
    assert flat == sorted(range(len(lengths)), key=lambda index: -lengths[index])


@given(lengths_, budgets, costs)
def test_no_other_division_costs_less(lengths: list[int], budget: int, batch_cost: int) -> None:
    batches = length_ordered_batches(lengths, budget, batch_cost)
    assert total_cost(lengths, batches, batch_cost) == least_cost(lengths, budget, batch_cost)


@given(st.lists(st.integers(1, 5), max_size=60), budgets)
def test_a_batch_cost_above_all_tokens_gives_the_fewest_batches(
    lengths: list[int], budget: int
) -> None:
    greedy = 0
    longest = rows = 0
    for length in sorted(lengths, reverse=True):
        if not rows or (rows + 1) * longest > budget:
            greedy, longest, rows = greedy + 1, length, 0
        rows += 1
    batches = length_ordered_batches(lengths, budget, batch_cost=1_000)
    assert len(batches) <= greedy


def test_a_division_between_lengths_saves_more_with_fewer_passages() -> None:
    lengths = [440, 300, 290, 110, 100, 60, 50, 40, 30, 20]
    cut = length_ordered_batches(lengths, 1_024, batch_cost=32)
    assert total_cost(lengths, cut, batch_cost=0) < 1.1 * sum(lengths)
    filled = length_ordered_batches(lengths, 1_024, batch_cost=1_024)
    assert total_cost(lengths, filled, batch_cost=0) > 1.2 * sum(lengths)


def test_mixed_lengths_are_padded_little() -> None:
    lengths = [10 + 37 * index % 440 for index in range(128)]
    batches = length_ordered_batches(lengths, 2_048, batch_cost=32)
    padded = total_cost(lengths, batches, batch_cost=0)
    assert padded < 1.03 * sum(lengths)
    assert padded < 0.6 * len(lengths) * max(lengths)


@given(lengths_, budgets, st.integers(1, 9))
def test_even_batches_contain_every_index_once_in_order_and_keep_to_the_budget(
    lengths: list[int], budget: int, parts: int
) -> None:
    batches = even_batches(lengths, budget, parts)
    assert [index for batch in batches for index in batch] == list(range(len(lengths)))
    assert all(batches)
    for batch in batches:
        assert len(batch) == 1 or sum(lengths[index] for index in batch) <= budget


@given(st.lists(st.integers(1, 100), min_size=40, max_size=60), st.integers(400, 1_000))
def test_even_batches_are_few_and_about_equal(lengths: list[int], budget: int) -> None:
    batches = even_batches(lengths, budget)
    # At each end, a batch differs from its equal part by at most half a sequence.
    assert len(batches) <= -(-sum(lengths) // (budget - max(lengths)))
    sizes = [sum(lengths[index] for index in batch) for batch in batches]
    assert max(sizes) - min(sizes) <= 2 * max(lengths)


def test_even_batches_keep_several_devices_busy() -> None:
    assert even_batches([5] * 8, max_tokens=1_000, parts=4) == [[0, 1], [2, 3], [4, 5], [6, 7]]
