"""The machine's matrix-multiply rate, to compare a forward pass with."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

TOKENS = {"cpu": (512, 2_048), "cuda": (8_192, 32_768)}
"""Rows of the products, by the kind of device: about the tokens of a small and of a large batch."""
CALLS = {"cpu": 1, "cuda": 20}
"""Products timed together. On a GPU they end later than their calls and take less than a millisecond."""
REPETITIONS = 5


class MatmulRates:
    """Times products of the size of a model's widest layer: tokens x hidden times hidden x intermediate."""

    def __init__(self, hidden: int, intermediate: int, device: str) -> None:
        """Take the model's widths and the device, and prepare the products."""
        self._device = torch.device(device)
        with self._device:
            self._products = {
                precision: [
                    (product(tokens, hidden, intermediate), 2 * tokens * hidden * intermediate)
                    for tokens in TOKENS[self._device.type]
                ]
                for precision, product in PRODUCTS[self._device.type].items()
            }

    def measure(self) -> dict[str, float]:
        """Return the best rate of each precision, in operations a second.

        Precisions that torch cannot multiply on this machine are left out.
        """
        rates = {}
        for precision, products in self._products.items():
            try:
                rates[precision] = max(flops / self._best(call) for call, flops in products)
            except RuntimeError:
                continue
        return rates

    def _best(self, call: Callable[[], object]) -> float:
        """Return the seconds of a call: the minimum of some repetitions."""
        return min(self._seconds(call) for _ in range(1 + REPETITIONS))

    def _seconds(self, call: Callable[[], object]) -> float:
        calls = CALLS[self._device.type]
        started = time.perf_counter()
        for _ in range(calls):
            call()
        if self._device.type != "cpu":
            torch.cuda.synchronize(self._device)
        return (time.perf_counter() - started) / calls


def _float32(tokens: int, hidden: int, intermediate: int) -> Callable[[], object]:
    return _linear(tokens, hidden, intermediate, torch.float32)


def _bfloat16(tokens: int, hidden: int, intermediate: int) -> Callable[[], object]:
    return _linear(tokens, hidden, intermediate, torch.bfloat16)


def _float16(tokens: int, hidden: int, intermediate: int) -> Callable[[], object]:
    return _linear(tokens, hidden, intermediate, torch.float16)


def _int8(tokens: int, hidden: int, intermediate: int) -> Callable[[], object]:
    left, right = (_integers(rows, hidden) for rows in (tokens, intermediate))
    return lambda: torch._int_mm(left, right.t())  # noqa: SLF001 - torch's only int8 product


Product = Callable[[int, int, int], Callable[[], Any]]

PRODUCTS: dict[str, dict[str, Product]] = {
    "cpu": {"float32": _float32, "bfloat16": _bfloat16, "int8": _int8},
    "cuda": {"float32": _float32, "bfloat16": _bfloat16, "float16": _float16},
}
"""The precisions that contenders compute in, by the kind of device."""


def _linear(
    tokens: int, hidden: int, intermediate: int, dtype: torch.dtype
) -> Callable[[], object]:
    states = torch.randn(tokens, hidden).to(dtype)
    weights = torch.randn(intermediate, hidden).to(dtype)
    return lambda: torch.nn.functional.linear(states, weights)


def _integers(rows: int, columns: int) -> torch.Tensor:
    return torch.randint(-127, 128, (rows, columns), dtype=torch.int8)
