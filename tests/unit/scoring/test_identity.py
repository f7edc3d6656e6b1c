"""A wrapped scorer has the attributes of the scorer inside, in every order of wrappers."""

import asyncio
import copy
import pickle
from typing import Any

import pytest

from bge_rerank import AsyncScorer, Scorer, load_scorer
from bge_rerank.backends.bm25 import Bm25Scorer
from bge_rerank.scoring.asking import ascore_with
from bge_rerank.scoring.gathering import GatheringScorer
from bge_rerank.scoring.identity import ScoredBy, Wrapper, config_of, innermost, scored_by
from bge_rerank.scoring.loading import LazyScorer
from bge_rerank.scoring.piecewise import PiecewiseScorer
from conftest import PASSAGES, QUERY
from counted_scorer import Counted
from wrapped import Watcher, every_order, in_pieces

PAIRS = [(QUERY, passage) for passage in PASSAGES]
FACTS = ("model_name", "precision", "max_length", "max_batch_tokens")


def mini(**options: Any) -> LazyScorer:
    return load_scorer("mini", "torch", dtype="float32", max_length=128, **options)


@pytest.fixture(params=["lazy", "loaded"])
def scorer(request: pytest.FixtureRequest) -> Scorer:
    loaded = mini().loaded()
    return mini() if request.param == "lazy" else loaded


def test_a_wrapped_model_has_the_attributes_of_the_model(scorer: Scorer) -> None:
    expected = ("mini", "float32", 128, mini().max_batch_tokens)
    assert mini().max_batch_tokens
    for wrapped in every_order(scorer):
        assert tuple(getattr(wrapped, name) for name in FACTS) == expected
        assert scored_by(wrapped) == ScoredBy("mini", "main", "float32", 128)
        assert config_of(wrapped) == config_of(scorer)


def test_a_wrapped_model_counts_truncated_tokens_and_cuts_windows(scorer: Scorer) -> None:
    text = "the tides of the sea " * 100
    loaded: Any = mini().loaded()
    for wrapped in map(any_, every_order(scorer)):
        assert wrapped.tokens_cut([(QUERY, text)]) == loaded.tokens_cut([(QUERY, text)])
        assert wrapped.windows(QUERY, [text], 64) == loaded.windows(QUERY, [text], 64)


def any_(scorer: Any) -> Any:
    return scorer


def test_a_wrapped_model_has_the_scores_of_the_model(scorer: Scorer) -> None:
    expected = pytest.approx(scorer.score(PAIRS), abs=1e-4)
    for wrapped in every_order(scorer):
        assert wrapped.score(PAIRS) == expected
        assert asyncio.run(_awaited(wrapped)) == expected


async def _awaited(scorer: Scorer) -> list[float]:
    return list(await ascore_with(scorer, PAIRS))


def test_a_wrapper_without_ascore_does_not_use_that_of_the_scorer_inside() -> None:
    watcher = Watcher(mini())
    assert not isinstance(watcher, AsyncScorer)
    asyncio.run(_awaited(watcher))
    assert watcher.pairs == len(PAIRS)


def test_your_own_scorer_has_the_same_attributes_in_wrappers() -> None:
    class Told(Counted):
        precision = "int4"

    for own, expected in ((Counted(), ScoredBy()), (Told(), ScoredBy(precision="int4"))):
        for wrapped in every_order(own):
            assert scored_by(wrapped) == expected
            assert config_of(wrapped) is None
            assert getattr(wrapped, "tokens_cut", None) is None
            assert getattr(wrapped, "windows", None) is None


def test_your_own_attributes_config_and_loaded_are_not_mistaken_for_ours() -> None:
    class Own(Counted):
        config = "mine"
        model_name = "own"

        def loaded(self) -> bool:
            return True

    assert config_of(Own()) is None
    assert scored_by(Own()) == ScoredBy("own")


def test_the_name_of_a_model_is_known_without_loading_it() -> None:
    for wrapped in map(any_, every_order(load_scorer("/no/such/folder"))):
        told = {name: getattr(wrapped, name) for name in (*FACTS, "tokens_cut")}
        assert told == dict.fromkeys(told) | {"model_name": "/no/such/folder"}


def test_a_missing_attribute_is_an_error_of_the_class_inside() -> None:
    with pytest.raises(AttributeError, match="'Counted' object has no attribute 'colour'"):
        Watcher(Watcher(Counted())).colour  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(Wrapper(Counted()), "_anything")


def test_the_innermost_scorer_is_behind_all_wrappers() -> None:
    own = Counted()
    *ours, foreign = every_order(own)
    assert all(innermost(wrapped) is own for wrapped in ours)
    assert innermost(foreign) is foreign
    assert innermost(own) is own


def test_wrappers_can_be_copied_and_pickled() -> None:
    wrapped = GatheringScorer(in_pieces(Watcher(mini())), max_pairs=7)
    for again in (
        copy.copy(wrapped),
        copy.deepcopy(wrapped),
        pickle.loads(pickle.dumps(wrapped)),
    ):
        assert isinstance(again.scorer, PiecewiseScorer)
        assert isinstance(again.scorer.scorer, Watcher)
        assert innermost(again) == mini()
        assert (again.max_pairs, again.scorer.piece) == (7, 2)


def test_wrappers_show_that_scores_compare_only_within_a_call() -> None:
    for wrapped in map(any_, every_order(Bm25Scorer())):
        assert wrapped.compares_within_call
        assert wrapped.model_name == "bm25"
