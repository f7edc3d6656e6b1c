import pytest

from bge_rerank import Scorer, load_scorer
from conftest import PASSAGES, QUERY
from scorer_contract import ScorerContract


class TestTorch(ScorerContract):
    @pytest.fixture(scope="class")
    def scorer(self) -> Scorer:
        return load_scorer("mini", "torch", dtype="float32")


class TestTorchWithABatchForEachPair(ScorerContract):
    @pytest.fixture(scope="class")
    def scorer(self) -> Scorer:
        return load_scorer("mini", "torch", dtype="float32", max_batch_tokens=1)


class TestTorchInBfloat16(ScorerContract):
    batch_tolerance = 0.06

    @pytest.fixture(scope="class")
    def scorer(self) -> Scorer:
        return load_scorer("mini", "torch", dtype="bfloat16")


def test_auto_scores_as_torch_does() -> None:
    pairs = [(QUERY, passage) for passage in PASSAGES]
    assert load_scorer("mini").score(pairs) == load_scorer("mini", "torch").score(pairs)
