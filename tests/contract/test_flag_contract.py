import pytest
from scorer_contract import ScorerContract

from bge_rerank import Scorer, load_scorer


class TestFlag(ScorerContract):
    @pytest.fixture(scope="class")
    def scorer(self) -> Scorer:
        return load_scorer("mini", "flag")
