"""Models that are prepared for 8 bits compute nearly the same logits, and the original model does not change."""

from pathlib import Path
from typing import Any

import pytest
import torch

from bge_rerank.backends.encoder.pairs import PairEncoder
from bge_rerank.backends.torch.encoder import FirstTokenClassifier
from bge_rerank.backends.torch.scorer import TorchScorer
from bge_rerank.export import scaling as scaling_module
from bge_rerank.export.activations import BLOCK, Activations, LayerInputs, observe
from bge_rerank.export.outliers import with_outliers_apart
from bge_rerank.export.rounding import rounded
from bge_rerank.export.samples import sample_pairs
from bge_rerank.export.scaling import ScaledLinear, Scaling, with_products_scaled
from bge_rerank.models.config import ScorerConfig

Divided = tuple[Any, list[LayerInputs], Activations]
PAIRS = sample_pairs(8)
IDS = torch.randint(5, 45, (64, 20), generator=torch.Generator().manual_seed(3))


def logits(model: Any) -> list[float]:
    with torch.inference_mode():
        return FirstTokenClassifier(model, eager=True).eval()(IDS).tolist()


@pytest.fixture(scope="module", params=["BERT", "XLM-RoBERTa"])
def divided(request: pytest.FixtureRequest, tiny_reranker: Path) -> Divided:
    """Return a model of each family with separate outliers, and the inputs of its products."""
    name = "mini" if request.param == "BERT" else str(tiny_reranker)
    scorer = TorchScorer(ScorerConfig(name, "torch", device="cpu", dtype="float32"), blocks=False)
    samples = PairEncoder(scorer.tokenizer.backend_tokenizer, scorer.max_length).encode(PAIRS)
    inputs, of_last = observe(scorer.model, samples)
    return with_outliers_apart(scorer.model, inputs), inputs, of_last


@pytest.fixture(scope="module")
def before(divided: Divided) -> list[float]:
    """Return the logits of the model before its products are scaled."""
    return logits(divided[0])


@pytest.fixture(scope="module")
def scaled(divided: Divided, before: list[float]) -> Any:
    """Return the same model with scaled products."""
    return with_products_scaled(*divided)


def scaled_products(model: Any) -> list[ScaledLinear]:
    return [module for module in model.modules() if isinstance(module, ScaledLinear)]


def test_without_the_rounding_a_scaled_model_computes_the_same(
    divided: Divided, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, *_ = divided
    monkeypatch.setattr(scaling_module, "rounded", lambda weight, _covariance: weight)
    assert logits(with_products_scaled(*divided)) == pytest.approx(logits(model), abs=1e-4)


def test_the_rounding_changes_logits_little_and_the_original_model_not_at_all(
    divided: Divided, before: list[float], scaled: Any
) -> None:
    model, *_ = divided
    after = logits(scaled)
    assert after != before
    # The tiny model has large random weights, so a single logit can change by up to 1.
    assert (torch.tensor(after) - torch.tensor(before)).abs().median() < 0.15
    assert logits(model) == before
    assert scaled_products(model) == []


@pytest.mark.parametrize("divided", ["BERT"], indirect=True)
def test_the_rounding_changes_every_logit_of_a_trained_model_little(
    divided: Divided, scaled: Any
) -> None:
    model, *_ = divided
    assert logits(scaled) == pytest.approx(logits(model), abs=0.2)


def test_all_products_are_scaled_except_those_that_stay_in_float(
    divided: Divided, scaled: Any
) -> None:
    layers = len(divided[0].base_model.encoder.layer)
    assert len(scaled_products(scaled)) == 6 * (layers - 1) - 1 + 2


def test_products_with_the_same_input_share_scale_and_shift(scaled: Any) -> None:
    first, *_ = scaled.base_model.encoder.layer
    query, key = first.attention.self.query, first.attention.self.key
    assert torch.equal(query._factor, key._factor)
    assert torch.equal(query._shift, key._shift)


def test_each_channel_is_centred() -> None:
    seen = Activations()
    seen.add(torch.tensor([[10.0, -1.0], [14.0, 1.0], [11.0, 0.0]]))
    linear = torch.nn.Linear(2, 3)
    scaling = Scaling(seen, linear.weight.detach())
    product = ScaledLinear(linear, scaling)
    ends = torch.stack([seen.lowest, seen.highest]) * product._factor + product._shift
    assert torch.allclose(ends[0], -ends[1], atol=1e-5)


def test_rounded_weights_keep_the_mean_of_the_product() -> None:
    torch.manual_seed(5)
    rows = torch.randn(500, 24) * torch.linspace(0.1, 9, 24) + 3
    linear = torch.nn.Linear(24, 7)
    seen = Activations()
    seen.add(rows)
    product = ScaledLinear(linear, Scaling(seen, linear.weight.detach()))
    with torch.inference_mode():
        assert torch.allclose(product(rows).mean(0), linear(rows).mean(0), atol=1e-4)
        assert not torch.allclose(product(rows), linear(rows), atol=1e-4)


def test_a_constant_channel_causes_no_error() -> None:
    rows = torch.zeros(10, 4)
    linear = torch.nn.Linear(4, 2)
    seen = Activations()
    seen.add(rows)
    product = ScaledLinear(linear, Scaling(seen, linear.weight.detach()))
    assert torch.allclose(product(rows), linear(rows), atol=1e-5)


@pytest.mark.parametrize("channels", [5, 2 * BLOCK + 40])
def test_statistics_do_not_depend_on_the_division_into_parts(channels: int) -> None:
    rows = torch.randn(90, channels, generator=torch.Generator().manual_seed(4))
    seen = Activations()
    for part in rows.split(40):
        seen.add(part)
    assert torch.equal(seen.lowest, rows.amin(0))
    assert torch.equal(seen.highest, rows.amax(0))
    assert torch.allclose(seen.mean, rows.mean(0), atol=1e-6)
    assert torch.allclose(seen.covariance, rows.T.cov(correction=0), atol=1e-5)


def test_the_variance_of_a_channel_far_from_zero_is_exact() -> None:
    rows = torch.randn(5_000, 3, generator=torch.Generator().manual_seed(8)) * 0.01 + 100
    seen = Activations()
    seen.add(rows)
    assert torch.allclose(seen.covariance, rows.double().T.cov(correction=0).float(), rtol=1e-3)


def test_observing_leaves_no_hooks_behind(tiny_reranker: Path) -> None:
    scorer = TorchScorer(
        ScorerConfig(str(tiny_reranker), "torch", device="cpu", dtype="float32"), blocks=False
    )
    samples = PairEncoder(scorer.tokenizer.backend_tokenizer, scorer.max_length).encode(PAIRS)
    key = scorer.model.base_model.encoder.layer[0].attention.self.key
    [seen, *_], _ = observe(scorer.model, samples[:1])
    assert seen.projections.mean.shape == (key.in_features,)
    assert not any(module._forward_pre_hooks for module in scorer.model.modules())


def test_the_statistics_of_some_channels_are_those_of_their_inputs_alone() -> None:
    """So one pass over the samples is enough, before the model is divided."""
    rows = torch.randn(90, 2 * BLOCK + 40, generator=torch.Generator().manual_seed(9)) + 3
    places = torch.arange(1, 2 * BLOCK, 3)
    seen, alone = Activations(), Activations()
    seen.add(rows)
    alone.add(rows[:, places])
    some = seen.of(places)
    assert torch.equal(some.largest, alone.largest)
    torch.testing.assert_close(some.mean, alone.mean)
    torch.testing.assert_close(some.covariance, alone.covariance)


def test_rounding_rounded_weights_changes_nothing() -> None:
    """The graph's weights are rounded once more, and must get the same numbers."""
    weight = torch.randn(6, 30, generator=torch.Generator().manual_seed(6))
    once = rounded(weight, torch.eye(30))
    assert torch.allclose(rounded(once, torch.eye(30)), once, atol=1e-6)
