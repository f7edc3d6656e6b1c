"""Measure the machine's matrix-multiply rate, the upper limit for a forward pass."""

from __future__ import annotations

import timeit
from collections.abc import Callable

import torch

TOKENS = {"cpu": (512, 2_048), "cuda": (8_192, 32_768)}
"""The rows of the products, by the kind of device: about the tokens of a small and of a large batch."""
CALLS = {"cpu": 1, "cuda": 20}
"""The number of products that are timed together. A single product on a GPU is too short to time."""
REPETITIONS = 5
PRECISIONS = {"cpu": ("float32", "bfloat16", "int8"), "cuda": ("float32", "bfloat16", "float16")}
"""The precisions that contenders compute in, by the kind of device."""


class MatmulRates:
    """A timer of matrix products of the size of a model's widest layer: tokens x hidden times hidden x intermediate."""

    def __init__(self, hidden: int, intermediate: int, device: str) -> None:
        """Prepare the products for a model's widths and a device."""
        self._device = torch.device(device)
        with self._device:
            self._products = {
                precision: [
                    (
                        _product(precision, tokens, hidden, intermediate),
                        2 * tokens * hidden * intermediate,
                    )
                    for tokens in TOKENS[self._device.type]
                ]
                for precision in PRECISIONS[self._device.type]
            }

    def measure(self) -> dict[str, float]:
        """Return the best rate of each precision, in operations per second.

        Precisions that torch cannot multiply on this machine are missing.
        """
        rates = {}
        for precision, products in self._products.items():
            try:
                rates[precision] = max(flops / self._seconds(call) for call, flops in products)
            except RuntimeError:
                continue
        return rates

    def _seconds(self, call: Callable[[], object]) -> float:
        """Return the seconds of a call: the minimum of several repetitions."""
        calls = CALLS[self._device.type]

        def run() -> None:
            for _ in range(calls):
                call()
            if self._device.type != "cpu":
                torch.cuda.synchronize(self._device)

        return min(timeit.repeat(run, number=1, repeat=1 + REPETITIONS)) / calls


def _product(
    precision: str, tokens: int, hidden: int, intermediate: int
) -> Callable[[], torch.Tensor]:
    if precision == "int8":
        left, right = (
            torch.randint(-127, 128, (rows, hidden), dtype=torch.int8)
            for rows in (tokens, intermediate)
        )
        return lambda: torch._int_mm(left, right.t())  # noqa: SLF001 - torch's only int8 product
    states, weights = (
        torch.randn(rows, hidden).to(getattr(torch, precision)) for rows in (tokens, intermediate)
    )
    return lambda: torch.nn.functional.linear(states, weights)
