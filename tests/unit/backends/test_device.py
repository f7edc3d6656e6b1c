from types import SimpleNamespace

import pytest
import torch

from bge_rerank.backends import device
from bge_rerank.backends.device import batch_sizes, choose_dtype
from bge_rerank.backends.machine import cpu_has_bfloat16

ZEN_4 = frozenset({"avx512f", "avx512_bf16"})
SAPPHIRE_RAPIDS = ZEN_4 | {"amx_bf16"}


@pytest.mark.parametrize(
    ("intermediate_size", "expected"), [(4_096, [256, 512, 4_096]), (1_536, [682, 1_365, 10_922])]
)
def test_a_batch_on_a_cpu_is_larger_with_more_threads_and_smaller_with_a_wider_model(
    monkeypatch: pytest.MonkeyPatch, intermediate_size: int, expected: list[int]
) -> None:
    config = SimpleNamespace(intermediate_size=intermediate_size)
    monkeypatch.setattr(device, "cpu_flags", frozenset)
    budgets = []
    for threads in (1, 2, 16):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        budgets.append(batch_sizes(torch.device("cpu"), config, torch.float32).max_tokens)
    assert budgets == expected


@pytest.mark.parametrize(
    ("flags", "dtype", "expected"),
    [
        (SAPPHIRE_RAPIDS, torch.bfloat16, (4_096, 300)),
        (ZEN_4, torch.bfloat16, (2_048, 64)),
        (SAPPHIRE_RAPIDS, torch.float32, (2_048, 64)),
        (frozenset(), torch.bfloat16, (1_365, 32)),
    ],
)
def test_batches_on_a_cpu_follow_from_its_instructions_for_the_precision(
    monkeypatch: pytest.MonkeyPatch,
    flags: frozenset[str],
    dtype: torch.dtype,
    expected: tuple[int, int],
) -> None:
    monkeypatch.setattr(device, "cpu_flags", lambda: flags)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    sizes = batch_sizes(torch.device("cpu"), SimpleNamespace(intermediate_size=1_536), dtype)
    assert (sizes.max_tokens, sizes.cost) == expected


@pytest.mark.parametrize(("gains", "fast"), [(True, torch.bfloat16), (False, torch.float32)])
def test_the_default_precision_is_the_fastest_of_the_device(
    monkeypatch: pytest.MonkeyPatch, gains: bool, fast: torch.dtype
) -> None:
    monkeypatch.setattr(device, "torch_gains_by_bfloat16", lambda: gains)
    assert choose_dtype("auto", torch.device("cpu")) == fast
    assert choose_dtype("auto", torch.device("cuda")) == torch.float16
    assert choose_dtype("float32", torch.device("cuda")) == torch.float32


@pytest.mark.parametrize(
    ("flags", "gains", "warns"),
    [({"avx2"}, False, True), ({"avx512_bf16"}, True, False), ((), False, False)],
)
def test_bfloat16_on_a_cpu_that_multiplies_float32_faster_causes_a_warning(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    flags: set[str],
    gains: bool,
    warns: bool,
) -> None:
    monkeypatch.setattr(device, "cpu_flags", lambda: frozenset(flags))
    monkeypatch.setattr(device, "torch_gains_by_bfloat16", lambda: gains)
    assert choose_dtype("bfloat16", torch.device("cpu")) == torch.bfloat16
    assert [record.levelname for record in caplog.records] == ["WARNING"] * warns


def test_torch_reports_the_same_instructions_for_bfloat16() -> None:
    capabilities = torch.cpu.get_capabilities()
    reported = [capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")]
    assert cpu_has_bfloat16() == any(reported)
