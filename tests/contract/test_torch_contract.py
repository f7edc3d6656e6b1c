import pytest

from bge_rerank import Scorer, load_scorer
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


class TestTorchChosenByAuto(ScorerContract):
    batch_tolerance = 0.06

    @pytest.fixture(scope="class")
    def scorer(self) -> Scorer:
        return load_scorer("mini")
