"""A ranking is a list with its query and its texts."""

import copy
import pickle

from bge_rerank import Ranked, Ranking, Reranker
from counted_scorer import Counted


def test_a_ranking_is_a_list_that_can_be_copied_and_pickled() -> None:
    got = Reranker(Counted()).rerank("q", ["a", "bb"])
    assert isinstance(got, Ranking)
    assert (got.query, got.texts) == ("q", ["a", "bb"])
    assert got == [Ranked(1, got[0].score, 2.0), Ranked(0, got[1].score, 1.0)]
    ranking = Ranking(
        [Ranked(1, 0.9, 2.2, span=(0, 3))], "what causes tides", ["Bread", "The Moon"]
    )
    for copied in (copy.deepcopy(ranking), pickle.loads(pickle.dumps(ranking))):
        assert (copied, copied.query, copied.texts) == (ranking, ranking.query, ranking.texts)
