"""The backends without torch keep the contract of scorers, with graphs of each precision."""

from pathlib import Path

import pytest

from bge_rerank import Scorer, load_scorer
from scorer_contract import ScorerContract


class TestOpenVino(ScorerContract):
    @pytest.fixture(scope="class")
    def scorer(self, exported_mini: Path) -> Scorer:
        return load_scorer(str(exported_mini), "openvino")


class TestOpenVinoInBfloat16(ScorerContract):
    batch_tolerance = 0.06

    @pytest.fixture(scope="class")
    def scorer(self, exported_mini: Path) -> Scorer:
        return load_scorer(str(exported_mini), "openvino", dtype="bfloat16")


class TestOpenVinoInInt8(ScorerContract):
    batch_tolerance = 0.06

    @pytest.fixture(scope="class")
    def scorer(self) -> Scorer:
        return load_scorer("mini", "openvino", dtype="int8")


class TestOnnx(ScorerContract):
    @pytest.fixture(scope="class")
    def scorer(self, exported_mini: Path) -> Scorer:
        return load_scorer(str(exported_mini), "onnx")


class TestOnnxInInt8(ScorerContract):
    @pytest.fixture(scope="class")
    def scorer(self) -> Scorer:
        return load_scorer("mini", "onnx", dtype="int8")
