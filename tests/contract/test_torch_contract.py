import pytest
from scorer_contract import ScorerContract

from bge_rerank import Scorer, load_scorer


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
