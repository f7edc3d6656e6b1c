import pytest

from bge_rerank import Scorer, load_scorer
from scorer_contract import ScorerContract


class TestSentenceTransformers(ScorerContract):
    @pytest.fixture(scope="class")
    def scorer(self) -> Scorer:
        return load_scorer("mini", "sentence-transformers", dtype="float32")


class TestSentenceTransformersInBfloat16(ScorerContract):
    batch_tolerance = 0.06

    @pytest.fixture(scope="class")
    def scorer(self) -> Scorer:
        return load_scorer("mini", "sentence-transformers", dtype="bfloat16")
