from pathlib import Path
from typing import Any

import pytest
import torch

from bge_rerank.config import ScorerConfig
from bge_rerank.export.outliers import OUTLIERS, largest_activations, with_outliers_apart
from bge_rerank.export.samples import sample_pairs
from bge_rerank.scorers.torch import TorchScorer
from bge_rerank.torch_encoder import FirstTokenClassifier

PAIRS = sample_pairs(6)
IDS = torch.arange(5, 45).view(2, 20)


def torch_scorer(model: str | Path) -> TorchScorer:
    return TorchScorer(ScorerConfig(str(model), "torch", device="cpu", dtype="float32"))


def logits(model: Any) -> list[float]:
    with torch.inference_mode():
        return FirstTokenClassifier(model).eval()(IDS).tolist()


def widths(layer: Any) -> list[int]:
    return sorted(
        module.out_features
        for module in layer.intermediate.modules()
        if isinstance(module, torch.nn.Linear)
    )


@pytest.fixture(scope="module")
def mini() -> TorchScorer:
    return torch_scorer("mini")


def test_a_model_with_its_outliers_apart_computes_the_same(mini: TorchScorer) -> None:
    before = logits(mini.model)
    divided = with_outliers_apart(mini.model, largest_activations(mini.model, mini, PAIRS))
    assert logits(divided) == pytest.approx(before, abs=1e-5)
    assert [widths(layer) for layer in divided.base_model.encoder.layer] == [
        *[[OUTLIERS, 1536 - OUTLIERS]] * 5,
        [1536],
    ]


def test_the_model_itself_stays_whole(mini: TorchScorer) -> None:
    before = logits(mini.model)
    with_outliers_apart(mini.model, [torch.zeros(1536)] * 6)
    assert logits(mini.model) == before
    assert [widths(layer) for layer in mini.model.base_model.encoder.layer] == [[1536]] * 6


def test_a_narrow_feed_forward_is_divided_in_halves_at_most(tiny_reranker: Path) -> None:
    scorer = torch_scorer(tiny_reranker)
    neurons = scorer.model.config.intermediate_size
    largest = largest_activations(scorer.model, scorer, PAIRS)
    divided = with_outliers_apart(scorer.model, largest)
    assert logits(divided) == pytest.approx(logits(scorer.model), abs=1e-5)
    apart = min(OUTLIERS, neurons // 2)
    first, *_ = divided.base_model.encoder.layer
    assert widths(first) == sorted([apart, neurons - apart])


def test_the_neurons_that_fire_most_are_the_ones_apart(tiny_reranker: Path) -> None:
    scorer = torch_scorer(tiny_reranker)
    dense = scorer.model.base_model.encoder.layer[0].intermediate.dense
    with torch.no_grad():
        dense.bias[[3, 17]] = 40.0
    largest = largest_activations(scorer.model, scorer, PAIRS)
    assert {3, 17} == set(largest[0].topk(2).indices.tolist())
    divided = with_outliers_apart(scorer.model, largest)
    apart = divided.base_model.encoder.layer[0].intermediate._outliers
    assert (apart.bias == 40.0).sum() == 2


def test_activations_of_all_pairs_count(mini: TorchScorer) -> None:
    """The largest over several pairs is the larger of each alone."""
    both, one, other = (
        largest_activations(mini.model, mini, pairs) for pairs in (PAIRS[:2], PAIRS[:1], PAIRS[1:2])
    )
    for together, first, second in zip(both, one, other, strict=True):
        assert torch.allclose(together, torch.maximum(first, second), atol=1e-4)


def test_nothing_watches_the_model_afterwards(mini: TorchScorer) -> None:
    largest_activations(mini.model, mini, PAIRS[:1])
    layers = mini.model.base_model.encoder.layer
    assert not any(layer.intermediate._forward_hooks for layer in layers)
