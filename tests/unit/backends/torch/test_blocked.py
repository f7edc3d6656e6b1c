"""Blocked products give the logits of the model's own products, in the precisions that the CPU can block."""

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


BOUNDS = {torch.bfloat16: 0.02, torch.float32: 2e-5}
CPU = torch.device("cpu")


def load(folder: Path, dtype: torch.dtype, **config: Any) -> Any:
    model = AutoModelForSequenceClassification.from_pretrained(folder, **config)
    return model.to(dtype).eval()


@pytest.fixture(params=[torch.bfloat16, torch.float32], ids=str)
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    chosen: torch.dtype = request.param
    if not can_block(CPU, chosen):
        pytest.skip(f"this CPU or this torch has no blocked products in {chosen}")
    return chosen


@torch.inference_mode()
@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_blocked_products_have_the_logits_of_float32_as_closely_as_the_models_own(
    dtype: torch.dtype, activation: str
) -> None:
    folder = bge_rerank_mini.path()
    own, blocked = (load(folder, dtype, hidden_act=activation) for _ in range(2))
    exact = load(folder, torch.float32, hidden_act=activation)
    expected = FirstTokenClassifier(exact)(IDS, MASK)
    before = FirstTokenClassifier(own)(IDS, MASK) - expected
    after = FirstTokenClassifier(blocked, blocks=True)(IDS, MASK) - expected
    assert after.abs().max() <= before.abs().max() + BOUNDS[dtype]


@torch.inference_mode()
def test_the_model_itself_still_works_and_holds_no_weights_twice(dtype: torch.dtype) -> None:
    model = load(bge_rerank_mini.path(), dtype)
    expected = model(IDS, MASK).logits
    block_products(model.base_model.encoder.layer)
    torch.testing.assert_close(model(IDS, MASK).logits, expected, atol=2.5 * BOUNDS[dtype], rtol=0)
    modules = list(model.base_model.encoder.layer.modules())
    assert not any(isinstance(module, torch.nn.Linear) for module in modules)
    layers = model.config.num_hidden_layers
    assert sum(isinstance(module, BlockedLinear) for module in modules) == 6 * layers


def test_other_precisions_and_devices_keep_their_own_products(dtype: torch.dtype) -> None:
    assert not can_block(CPU, torch.float16)
    assert not can_block(torch.device("meta"), dtype)


def test_float32_keeps_its_own_products_on_a_cpu_without_avx512(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert not can_block(CPU, torch.float32)


def test_a_torch_without_these_operations_keeps_its_own_products(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert can_block(CPU, dtype)
    monkeypatch.setattr(blocked, "NEEDED", (*blocked.NEEDED, "_no_such_operation"))
    assert not can_block(CPU, dtype)
