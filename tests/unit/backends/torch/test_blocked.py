"""Blocked products give the logits of the model's own products, in bfloat16 on CPUs that have it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification

import bge_rerank_mini
from bge_rerank.backends.torch import blocked
from bge_rerank.backends.torch.blocked import BlockedLinear, block_products, can_block
from bge_rerank.backends.torch.encoder import FirstTokenClassifier

IDS = torch.arange(2_000, 2_000 + 4 * 33).view(4, 33)
MASK = torch.tensor([[1] * length + [0] * (33 - length) for length in (33, 5, 18, 3)])


def load(folder: Path, **config: Any) -> Any:
    model = AutoModelForSequenceClassification.from_pretrained(folder, **config)
    return model.bfloat16().eval()


@pytest.fixture
def model() -> Any:
    loaded = load(bge_rerank_mini.path())
    if not can_block(loaded):
        pytest.skip("this CPU or this torch has no blocked products in bfloat16")
    return loaded


@torch.inference_mode()
@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_blocked_products_have_the_logits_of_float32_as_closely_as_the_models_own(
    model: Any, activation: str
) -> None:
    folder = bge_rerank_mini.path()
    own, blocked = (load(folder, hidden_act=activation) for _ in range(2))
    exact = load(folder, hidden_act=activation).float()
    expected = FirstTokenClassifier(exact)(IDS, MASK)
    before = FirstTokenClassifier(own)(IDS, MASK) - expected
    after = FirstTokenClassifier(blocked, blocks=True)(IDS, MASK) - expected
    assert after.abs().max() <= before.abs().max() + 0.02


@torch.inference_mode()
def test_the_model_itself_still_works_and_holds_no_weights_twice(model: Any) -> None:
    expected = model(IDS, MASK).logits
    block_products(model.base_model.encoder.layer)
    torch.testing.assert_close(model(IDS, MASK).logits, expected, atol=0.05, rtol=0)
    modules = list(model.base_model.encoder.layer.modules())
    assert not any(isinstance(module, torch.nn.Linear) for module in modules)
    layers = model.config.num_hidden_layers
    assert sum(isinstance(module, BlockedLinear) for module in modules) == 6 * layers


def test_float32_and_other_devices_keep_their_own_products(model: Any) -> None:
    assert not can_block(model.float())
    assert not can_block(model.bfloat16().to("meta"))


def test_a_torch_without_these_operations_keeps_its_own_products(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert can_block(model)
    monkeypatch.setattr(blocked, "NEEDED", (*blocked.NEEDED, "_no_such_operation"))
    assert not can_block(model)
