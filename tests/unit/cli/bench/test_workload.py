"""The texts that the benchmark ranks."""

import pytest

from bge_rerank import ConfigurationError
from bge_rerank.cli.bench.workload import LENGTHS, make_workload


@pytest.mark.parametrize("length", LENGTHS)
def test_the_numbers_of_words_are_within_the_bounds_of_the_length(length: str) -> None:
    shortest, longest = LENGTHS[length]
    words = [len(document.split()) for document in make_workload(length, 300).documents]
    assert shortest <= min(words) <= shortest * 1.1
    assert longest * 0.9 <= max(words) <= longest


def test_the_lengths_of_mixed_documents_are_even_on_a_logarithmic_scale() -> None:
    words = [len(document.split()) for document in make_workload("mixed", 1_000).documents]
    assert 400 <= sum(count < (10 * 450) ** 0.5 for count in words) <= 600


def test_a_workload_is_the_same_each_time() -> None:
    assert make_workload("mixed", 30) == make_workload("mixed", 30)


def test_a_smaller_depth_has_the_first_documents_of_a_larger_depth() -> None:
    assert make_workload("short", 30).documents[:10] == make_workload("short", 10).documents


def test_all_documents_differ() -> None:
    documents = make_workload("short", 5_000).documents
    assert len(set(documents)) == len(documents) == 5_000


@pytest.mark.parametrize(
    ("length", "depth", "message"),
    [("huge", 10, "length is 'huge'"), ("short", 0, "depth is 0")],
)
def test_an_unknown_length_and_a_depth_of_0_are_refused(
    length: str, depth: int, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make_workload(length, depth)
