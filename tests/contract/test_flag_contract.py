import pytest

from bge_rerank import Scorer, load_scorer
from scorer_contract import ScorerContract


class TestFlag(ScorerContract):
    @pytest.fixture(scope="class")
    def scorer(self) -> Scorer:
        return load_scorer("mini", "flag")
