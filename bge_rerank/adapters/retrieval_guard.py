"""`min_retrieval_score`: leave out the candidates that the first stage found with too low a score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from numbers import Real

from bge_rerank.errors import InvalidInputError
from bge_rerank.inputs import checked_texts, shown_value
from bge_rerank.ranking.result import Ranking


def places_from(minimum: float, scores: Sequence[object], where: str) -> list[int]:
    """Return the positions of the candidates whose first-stage score is at least `minimum`.

    Args:
        minimum: The lowest score to keep. Higher must mean better.
        scores: The score of each candidate, in first-stage order.
        where: The place that the scores are read from, for the error message.

    Returns:
        Positions from 0, ascending.

    Raises:
        InvalidInputError: A score is missing, NaN or not a number. The message names the candidate.

    >>> places_from(0.5, [0.7, 0.5, 0.2], "score")
    [0, 1]
    >>> places_from(0.5, [0.7, None], "score")
    Traceback (most recent call last):
    bge_rerank.errors.InvalidInputError: candidate 1 of 0..1 has None as its score, and min_retrieval_score=0.5 needs a number; ...
    """
    numbers = [_number(score) for score in scores]
    if None in numbers:
        place = numbers.index(None)
        raise InvalidInputError(
            f"candidate {place} of 0..{len(scores) - 1} has {shown_value(scores[place])} as its {where}, "
            f"and min_retrieval_score={minimum} needs a number; pass a score that is higher for "
            "better candidates, or min_retrieval_score=None"
        )
    return [
        place for place, number in enumerate(numbers) if number is not None and number >= minimum
    ]


def among_all(ranking: Ranking, texts: Sequence[str], places: Sequence[int]) -> Ranking:
    """Return a ranking of the texts at `places` as one that counts positions among all texts.

    >>> from bge_rerank.types import Ranked
    >>> ranking = Ranking([Ranked(1, 0.9, 2.2)], "tides", ["bread", "the Moon"], unscored=[0])
    >>> moved = among_all(ranking, ["banks", "bread", "rates", "the Moon"], [1, 3])
    >>> moved[0].index, moved.texts[3], moved.unscored
    (3, 'the Moon', [1])
    """
    moved = copy(ranking)
    moved[:] = [replace(ranked, index=places[ranked.index]) for ranked in ranking]
    moved.texts = checked_texts(texts)
    moved.unscored = [places[index] for index in ranking.unscored]
    return moved


def _number(score: object) -> float | None:
    """Return a score as a Python float; `None` if it is NaN or not a number."""
    if isinstance(score, bool) or not isinstance(score, Real):
        return None
    number = float(score)
    return None if math.isnan(number) else number
