"""The rewritten models compute the same logits, and the original model does not change."""

from pathlib import Path
from typing import Any

import pytest
import torch

from bge_rerank.backends.torch.encoder import FirstTokenClassifier
from bge_rerank.backends.torch.scorer import TorchScorer
from bge_rerank.export.bfloat16 import with_logit_as_sum, with_norms_folded
from bge_rerank.models.config import ScorerConfig

IDS = torch.arange(5, 45).view(2, 20)
MASK = torch.ones_like(IDS)
MASK[1, 13:] = 0


@pytest.fixture(params=["BERT", "XLM-RoBERTa"])
def model(request: pytest.FixtureRequest, tiny_reranker: Path) -> Any:
    """Return a classifier of each family, with norms whose gains and shifts are not 1 and 0."""
    name = "mini" if request.param == "BERT" else str(tiny_reranker)
    classifier = TorchScorer(
        ScorerConfig(name, "torch", device="cpu", dtype="float32"), blocks=False
    ).model
    torch.manual_seed(1)
    for norm in norms(classifier):
        with torch.no_grad():
            norm.weight.uniform_(0.5, 2.0)
            norm.bias.uniform_(-0.5, 0.5)
    return classifier


def norms(classifier: Any) -> list[torch.nn.LayerNorm]:
    return [module for module in classifier.modules() if isinstance(module, torch.nn.LayerNorm)]


def logits(classifier: Any) -> list[float]:
    with torch.inference_mode():
        return FirstTokenClassifier(classifier, eager=True).eval()(IDS, MASK).tolist()


@pytest.mark.parametrize("rewrite", [with_norms_folded, with_logit_as_sum])
def test_a_rewritten_model_computes_the_same_and_the_original_does_not_change(
    model: Any, rewrite: Any
) -> None:
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    expected = logits(model)
    assert logits(rewrite(model)) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert logits(model) == expected
    after = model.state_dict()
    assert all(torch.equal(after[name], weight) for name, weight in before.items())


def test_no_norm_has_gain_or_shift_and_keys_and_values_no_bias(model: Any) -> None:
    folded = with_norms_folded(model)
    assert norms(model)
    assert norms(folded) == []
    for layer in folded.base_model.encoder.layer:
        assert not layer.attention.self.key.bias.any()
        assert not layer.attention.self.value.bias.any()


def test_the_last_matrix_product_is_replaced(model: Any) -> None:
    def products(classifier: Any) -> int:
        return sum(isinstance(module, torch.nn.Linear) for module in classifier.modules())

    assert products(with_logit_as_sum(model)) == products(model) - 1
