"""A model behind our own server keeps the contract of scorers, in each wire format."""

from collections.abc import Iterator
from typing import ClassVar

import pytest

from bge_rerank import Scorer, load_scorer
from conftest import QUERY
from scorer_contract import ScorerContract
from served import serving


@pytest.fixture(scope="module")
def served_mini() -> Iterator[str]:
    weights = load_scorer("mini", "torch", dtype="float32").loaded()
    with serving(weights, limits={"max_characters": 2_000_000}) as url:
        yield url


class ServedContract(ScorerContract):
    backend: ClassVar[str]

    @pytest.fixture(scope="class")
    def scorer(self, served_mini: str) -> Scorer:
        return load_scorer("m", self.backend, base_url=served_mini)

    def test_gives_the_logits_of_the_model(self, scorer: Scorer) -> None:
        pairs = [(QUERY, "The Moon raises the tides."), (QUERY, "Bread rises."), (QUERY, "")]
        expected = load_scorer("mini", "torch", dtype="float32").score(pairs)
        assert scorer.score(pairs) == pytest.approx(expected, abs=1e-4)


class TestTei(ServedContract):
    backend = "tei"


class TestInfinity(ServedContract):
    backend = "infinity"


class TestCohere(ServedContract):
    backend = "cohere"


class TestJina(ServedContract):
    backend = "jina"


class TestVllm(ServedContract):
    backend = "vllm"
