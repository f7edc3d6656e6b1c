import pytest

from bge_rerank import Scorer, load_scorer
from scorer_contract import ScorerContract


class TestTorch(ScorerContract):
    @pytest.fixture(scope="class")
    def scorer(self) -> Scorer:
        return load_scorer("mini", "torch")


class TestTorchWithABatchForEachPair(ScorerContract):
    @pytest.fixture(scope="class")
    def scorer(self) -> Scorer:
        return load_scorer("mini", "torch", max_batch_tokens=1)


class TestTorchChosenByAuto(ScorerContract):
    @pytest.fixture(scope="class")
    def scorer(self) -> Scorer:
        return load_scorer("mini")
