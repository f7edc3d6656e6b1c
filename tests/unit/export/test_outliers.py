from pathlib import Path
from typing import Any

import pytest
import torch

from bge_rerank.backends.encoder.pairs import EncodedPair, PairEncoder
from bge_rerank.backends.torch.encoder import FirstTokenClassifier
from bge_rerank.backends.torch.scorer import TorchScorer
from bge_rerank.export.activations import observe
from bge_rerank.export.outliers import OUTLIERS, with_outliers_apart
from bge_rerank.export.samples import sample_pairs
from bge_rerank.models.config import ScorerConfig

PAIRS = sample_pairs(6)
IDS = torch.arange(5, 45).view(2, 20)


def torch_scorer(model: str | Path) -> TorchScorer:
    return TorchScorer(
        ScorerConfig(str(model), "torch", device="cpu", dtype="float32"), blocks=False
    )


def samples(scorer: TorchScorer) -> list[EncodedPair]:
    return PairEncoder(scorer.tokenizer.backend_tokenizer, scorer.max_length).encode(PAIRS)


def divided_model(scorer: TorchScorer, some: list[EncodedPair]) -> Any:
    return with_outliers_apart(scorer.model, observe(scorer.model, some)[0])


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


def test_a_model_with_separate_outliers_computes_the_same(mini: TorchScorer) -> None:
    before = logits(mini.model)
    divided = divided_model(mini, samples(mini))
    assert logits(divided) == pytest.approx(before, abs=1e-5)
    assert [widths(layer) for layer in divided.base_model.encoder.layer] == [
        *[[OUTLIERS, 1536 - OUTLIERS]] * 5,
        [1536],
    ]


def test_the_original_model_does_not_change(mini: TorchScorer) -> None:
    before = logits(mini.model)
    divided_model(mini, samples(mini)[:1])
    assert logits(mini.model) == before
    assert [widths(layer) for layer in mini.model.base_model.encoder.layer] == [[1536]] * 6


def test_at_most_half_of_a_narrow_feed_forward_are_outliers(tiny_reranker: Path) -> None:
    scorer = torch_scorer(tiny_reranker)
    neurons = scorer.model.config.intermediate_size
    divided = divided_model(scorer, samples(scorer))
    assert logits(divided) == pytest.approx(logits(scorer.model), abs=1e-5)
    apart = min(OUTLIERS, neurons // 2)
    first, *_ = divided.base_model.encoder.layer
    assert widths(first) == sorted([apart, neurons - apart])


def test_the_neurons_with_the_largest_activations_are_the_outliers(tiny_reranker: Path) -> None:
    scorer = torch_scorer(tiny_reranker)
    dense = scorer.model.base_model.encoder.layer[0].intermediate.dense
    with torch.no_grad():
        dense.bias[[3, 17]] = 40.0
    [seen, *_], _ = observe(scorer.model, samples(scorer))
    assert {3, 17} == set(seen.second.highest.topk(2).indices.tolist())
    divided = divided_model(scorer, samples(scorer))
    apart = divided.base_model.encoder.layer[0].intermediate._outliers
    assert (apart.bias == 40.0).sum() == 2


def test_the_extremes_of_several_samples_are_the_extremes_of_all(mini: TorchScorer) -> None:
    one, other, *_ = samples(mini)
    both, first, second = (
        observe(mini.model, some)[0][0].second for some in ([one, other], [one], [other])
    )
    assert torch.equal(both.highest, torch.maximum(first.highest, second.highest))
    assert torch.equal(both.lowest, torch.minimum(first.lowest, second.lowest))
