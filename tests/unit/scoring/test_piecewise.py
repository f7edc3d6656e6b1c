"""A large request is scored in pieces, with each pair once and in order."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bge_rerank.scoring.piecewise import CHARACTERS_A_PIECE, PiecewiseScorer
from counted_scorer import Counted, length

PAIRS = st.lists(st.tuples(st.just("q"), st.text(max_size=9)), max_size=40)


@given(PAIRS, st.integers(1, 12))
def test_logits_are_those_of_the_wrapped_scorer_in_input_order(
    pairs: list[tuple[str, str]], piece: int
) -> None:
    expected = [length(passage) for _, passage in pairs]
    scorer = PiecewiseScorer(Counted(), piece)
    assert scorer.score(pairs) == expected
    assert asyncio.run(scorer.ascore(pairs)) == expected


@given(PAIRS, st.integers(1, 12))
def test_no_piece_is_larger_than_allowed_and_none_is_empty(
    pairs: list[tuple[str, str]], piece: int
) -> None:
    counted = Counted()
    PiecewiseScorer(counted, piece).score(pairs)
    assert sum(map(len, counted.passes)) == len(pairs)
    assert all(1 <= len(scored) <= piece for scored in counted.passes)


def test_passages_of_similar_length_are_in_one_piece() -> None:
    counted = Counted()
    pairs = [("q", "a" * (1 + place % 2 * 50)) for place in range(20)]
    PiecewiseScorer(counted, 10).score(pairs)
    assert [{len(text) for _, text in scored} for scored in counted.passes] == [{51}, {1}]


def test_a_wrong_number_of_scores_is_an_error() -> None:
    class OneTooFew(Counted):
        def score(self, pairs, /):
            return super().score(pairs)[1:]

    with pytest.raises(ValueError, match="shorter"):
        PiecewiseScorer(OneTooFew(), 3).score([("q", "a"), ("q", "b")])


def test_a_piece_of_long_pairs_has_few_pairs() -> None:
    counted = Counted()
    pairs = [("q", "a" * 10_000)] * 7 + [("q", "b" * 2 * CHARACTERS_A_PIECE)] + [("q", "c")] * 5
    PiecewiseScorer(counted, 32).score(pairs)
    assert [len(scored) for scored in counted.passes] == [1, 3, 3, 6]
