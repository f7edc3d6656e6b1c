"""mini brings an int8 graph along, which runs without torch and without an export."""

import logging
from pathlib import Path

import numpy as np
import pytest

from bge_rerank import load_scorer
from bge_rerank.data.demo import demo_collection
from bge_rerank.models import auto_backend
from bge_rerank.models.auto_backend import choose_backend
from bge_rerank.models.config import ScorerConfig
from bge_rerank.scoring import loading as loading_module

GRAPH_MEBIBYTES = 30
SPREAD = 0.1
"""The root mean square of the change of a logit, for logits whose standard deviation is 1.7."""


def pairs() -> list[tuple[str, str]]:
    """Return each question of the demo with its passage and with another one."""
    collection = demo_collection()
    texts = [passage.text for passage in collection.passages]
    questions = list(collection.questions.values())[:30]
    return [(each, texts[n]) for n, each in enumerate(questions)] + [
        (each, texts[n + 1]) for n, each in enumerate(questions)
    ]


def test_the_graph_is_small_because_its_embeddings_are_those_of_the_weights(mini: Path) -> None:
    graph = mini / "model_int8.onnx"
    assert graph.stat().st_size < GRAPH_MEBIBYTES * 2**20
    assert b"model.safetensors" in graph.read_bytes()


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_its_logits_are_those_of_the_weights_within_int8(
    backend: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given = pairs()
    exact = np.array(load_scorer("mini", "torch", dtype="float32").score(given))
    monkeypatch.setattr(loading_module, "_loaded", {})  # another test may have loaded the graph
    with caplog.at_level(logging.INFO, "bge_rerank"):
        moved = np.array(load_scorer("mini", backend, dtype="int8").score(given)) - exact
    assert 0 < np.sqrt(np.mean(moved**2)) < SPREAD
    assert "takes the graph model_int8.onnx of mini, stored in int8" in caplog.text
    assert "depend on the batch" not in caplog.text


def test_without_torch_auto_runs_it_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for module in (auto_backend, loading_module):
        monkeypatch.setattr(module, "is_installed", lambda name: name == "openvino")
    monkeypatch.setattr(loading_module, "_loaded", {})
    scorer = load_scorer("mini")
    with caplog.at_level(logging.INFO, "bge_rerank"):
        good, bad = scorer.score(
            [("what causes tides", "The Moon."), ("what causes tides", "Yeast.")]
        )
    assert good > bad
    assert scorer.precision == "int8"
    assert "mini runs in int8: it has no other graph" in caplog.text


def test_with_torch_int8_runs_only_on_demand() -> None:
    assert choose_backend(ScorerConfig("mini")) == "torch"
    assert choose_backend(ScorerConfig("mini", dtype="int8")) == "openvino"
