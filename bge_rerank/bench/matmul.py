"""The machine's own matrix-multiply rate: what a forward pass is measured against."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

TOKENS = (512, 2_048)
REPETITIONS = 5


class MatmulRates:
    """Times products of the size of a model's widest layer: tokens x hidden times hidden x intermediate."""

    def __init__(self, hidden: int, intermediate: int) -> None:
        """Take the model's widths, and make the products ready."""
        self._products = {
            precision: [
                (product(tokens, hidden, intermediate), 2 * tokens * hidden * intermediate)
                for tokens in TOKENS
            ]
            for precision, product in PRODUCTS.items()
        }

    def measure(self) -> dict[str, float]:
        """Return the best rate of each precision, in operations a second.

        A precision that torch cannot multiply on this machine is left out.
        """
        rates = {}
        for precision, products in self._products.items():
            try:
                rates[precision] = max(flops / _best(call) for call, flops in products)
            except RuntimeError:
                continue
        return rates


def _float32(tokens: int, hidden: int, intermediate: int) -> Callable[[], object]:
    return _linear(tokens, hidden, intermediate, torch.float32)


def _bfloat16(tokens: int, hidden: int, intermediate: int) -> Callable[[], object]:
    return _linear(tokens, hidden, intermediate, torch.bfloat16)


def _int8(tokens: int, hidden: int, intermediate: int) -> Callable[[], object]:
    left, right = (_integers(rows, hidden) for rows in (tokens, intermediate))
    return lambda: torch._int_mm(left, right.t())  # noqa: SLF001 - its one int8 product


PRODUCTS: dict[str, Callable[[int, int, int], Callable[[], Any]]] = {
    "float32": _float32,
    "bfloat16": _bfloat16,
    "int8": _int8,
}


def _linear(
    tokens: int, hidden: int, intermediate: int, dtype: torch.dtype
) -> Callable[[], object]:
    states = torch.randn(tokens, hidden).to(dtype)
    weights = torch.randn(intermediate, hidden).to(dtype)
    return lambda: torch.nn.functional.linear(states, weights)


def _integers(rows: int, columns: int) -> torch.Tensor:
    return torch.randint(-127, 128, (rows, columns), dtype=torch.int8)


def _best(call: Callable[[], object]) -> float:
    call()
    seconds = []
    for _ in range(REPETITIONS):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
