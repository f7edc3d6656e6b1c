"""The `m3-sparse` backend keeps the contract of scorers, with a tiny model whose tokens are words."""

from pathlib import Path

import pytest

from bge_rerank import Scorer, load_scorer
from scorer_contract import ScorerContract


class TestM3Sparse(ScorerContract):
    @pytest.fixture(scope="class")
    def scorer(self, tiny_m3: Path) -> Scorer:
        return load_scorer(str(tiny_m3), "m3-sparse")
