"""`FirstTokenClassifier` returns the logits of transformers for padded, eager and packed batches."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

import bge_rerank_mini
from bge_rerank.backends.encoder.batches import padded
from bge_rerank.backends.encoder.pairs import EncodedPair
from bge_rerank.backends.torch import attention
from bge_rerank.backends.torch.encoder import FirstTokenClassifier

LENGTHS = (31, 5, 18, 3)


@pytest.fixture(params=["BERT", "XLM-R"])
def model(request: pytest.FixtureRequest, tiny_reranker: Path) -> Any:
    folder = bge_rerank_mini.path() if request.param == "BERT" else tiny_reranker
    return AutoModelForSequenceClassification.from_pretrained(folder).float().eval()


def sequences(model: Any) -> list[EncodedPair]:
    """Return sequences of unequal length, with two segments if the model has two."""
    draw = np.random.default_rng(5)
    ids = [draw.integers(5, 200, length, np.int32) for length in LENGTHS]
    segments = model.config.type_vocab_size
    type_ids = [draw.integers(0, segments, length).astype(np.int8) for length in LENGTHS]
    return [EncodedPair(*both, cut=0) for both in zip(ids, type_ids, strict=True)]


def arrays(model: Any) -> dict[str, torch.Tensor]:
    batch = padded(sequences(model), pad_token_id=int(model.config.pad_token_id))
    return {name: torch.from_numpy(array) for name, array in batch.items()}


@pytest.mark.parametrize("options", [{}, {"eager": True}, {"joins": True}, {"multiplies": True}])
@torch.inference_mode()
def test_padded_rows_have_the_logits_of_the_whole_model(
    model: Any, options: dict[str, bool]
) -> None:
    expected = model(**arrays(model)).logits.view(-1)
    logits = FirstTokenClassifier(model, **options)(**arrays(model))
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("joins", [False, True])
@torch.inference_mode()
def test_packed_sequences_have_the_logits_of_padded_rows(model: Any, joins: bool) -> None:
    batch = sequences(model)
    logits = FirstTokenClassifier(model, joins=joins).packed(
        torch.from_numpy(np.concatenate([pair.ids for pair in batch], dtype=np.int64)),
        torch.tensor(LENGTHS),
        max(LENGTHS),
        torch.from_numpy(np.concatenate([pair.type_ids for pair in batch], dtype=np.int64)),
    )
    expected = model(**arrays(model)).logits.view(-1)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("hides", [True, False])
@torch.inference_mode()
def test_attention_in_parts_is_that_of_torch(monkeypatch: pytest.MonkeyPatch, hides: bool) -> None:
    rows, heads, tokens = 5, 4, 70
    monkeypatch.setattr(attention, "WEIGHTS_AT_ONCE", 8 * tokens * tokens)
    parts: list[int] = []
    softmax = torch.softmax

    def noted(scores: torch.Tensor, *others: Any, **options: Any) -> torch.Tensor:
        parts.append(len(scores))
        return softmax(scores, *others, **options)

    monkeypatch.setattr(torch, "softmax", noted)
    torch.manual_seed(3)
    mask = torch.ones(rows, tokens) if hides else None
    if mask is not None:
        mask[1, 7:] = 0
    states = [torch.randn(rows, tokens, heads, 8) for _ in range(3)]
    expected = attention.PaddedAttention(mask)(*states)
    torch.testing.assert_close(attention.ProductAttention(mask)(*states), expected)
    assert parts == [8, 8, 4]


@torch.inference_mode()
def test_the_last_layer_is_computed_for_one_token_of_each_row(model: Any) -> None:
    rows: list[int] = []
    layers = model.base_model.encoder.layer
    for layer in layers:
        layer.output.register_forward_hook(lambda module, inputs, out: rows.append(out.shape[1]))
    FirstTokenClassifier(model)(**arrays(model))
    assert rows == [max(LENGTHS)] * (len(layers) - 1) + [1]


@torch.inference_mode()
def test_joint_projections_are_one_product_for_each_layer_with_the_models_weights(
    model: Any,
) -> None:
    expected = model(**arrays(model)).logits
    bytes_of_weights = sum(parameter.nbytes for parameter in model.parameters())
    products: list[str] = []
    for layer in model.base_model.encoder.layer:
        for name in ("query", "key", "value"):
            part = getattr(layer.attention.self, name)
            part.register_forward_hook(lambda module, inputs, out, name=name: products.append(name))
    FirstTokenClassifier(model, joins=True)(**arrays(model))
    assert products == ["query"]  # from the last layer, for the first token only
    # The model's weights are views of the joint weights, so nothing is stored twice and the model still works.
    storages = {
        parameter.untyped_storage().data_ptr(): parameter.untyped_storage().nbytes()
        for parameter in model.parameters()
    }
    assert sum(storages.values()) == bytes_of_weights
    torch.testing.assert_close(model(**arrays(model)).logits, expected)


@torch.inference_mode()
def test_a_half_precision_model_gives_float32_logits(model: Any) -> None:
    logits = FirstTokenClassifier(model.bfloat16())(**arrays(model))
    assert logits.dtype == torch.float32


def test_another_architecture_is_not_supported(model: Any) -> None:
    assert FirstTokenClassifier.supports(model)
    model.config.model_type = "deberta-v2"
    assert not FirstTokenClassifier.supports(model)
