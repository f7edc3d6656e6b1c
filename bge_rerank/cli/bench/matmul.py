"""Measure the machine's matrix-multiply rate, the upper limit for a forward pass."""

from __future__ import annotations

import timeit
from collections.abc import Callable, Iterator
from itertools import chain
from time import monotonic

import numpy as np
import torch

from bge_rerank.backends.cores import usable_cores
from bge_rerank.backends.torch.blocked import BlockedLinear, can_block
from bge_rerank.models.registry import is_installed

TOKENS = {"cpu": (512, 2_048), "cuda": (8_192, 32_768)}
"""The rows of the products, by the kind of device: about the tokens of a small and of a large batch."""
CALLS = {"cpu": 1, "cuda": 20}
"""The number of products that are timed together. A single product on a GPU is too short to time."""
SECONDS = 0.1
"""The time for which a product repeats. The threads of the library before it may stay busy for the first 20 ms."""
PRECISIONS = {"cpu": ("float32", "bfloat16", "int8"), "cuda": ("float32", "bfloat16", "float16")}
"""The precisions that contenders compute in, by the kind of device."""


class MatmulRates:
    """A timer of matrix products of the size of a model's widest layer: tokens x hidden times hidden x intermediate.

    On CPUs, the libraries differ: on AMD, torch multiplies float32 at half the rate of OpenVINO. So each installed one is
    timed.
    """

    def __init__(self, hidden: int, intermediate: int, device: str) -> None:
        """Prepare the products for a model's widths and a device."""
        self._device = torch.device(device)
        kind = self._device.type
        self._products = {
            precision: [
                (product, 2 * tokens * hidden * intermediate)
                for tokens in TOKENS[kind]
                for product in chain(
                    [_in_torch(precision, tokens, hidden, intermediate, self._device)],
                    _elsewhere(precision, tokens, hidden, intermediate) if kind == "cpu" else (),
                )
            ]
            for precision in PRECISIONS[kind]
        }

    def measure(self) -> dict[str, float]:
        """Return the best rate of each precision, in operations per second.

        Precisions that no library can multiply on this machine are missing. The others have at least the rate of
        float32, because a library may compute them in float32.
        """
        rates: dict[str, float] = {}
        for precision, products in self._products.items():
            for call, flops in products:
                try:
                    rate = flops / self._seconds(call)
                except RuntimeError:
                    continue
                rates[precision] = max(rate, rates.get(precision, rates.get("float32", 0.0)))
        return rates

    def _seconds(self, call: Callable[[], object]) -> float:
        """Return the seconds of a call, the fewest of all repetitions."""
        calls = CALLS[self._device.type]

        def run() -> None:
            for _ in range(calls):
                call()
            if self._device.type != "cpu":
                torch.cuda.synchronize(self._device)

        end = monotonic() + SECONDS
        fastest = timeit.timeit(run, number=1)
        while monotonic() < end:
            fastest = min(fastest, timeit.timeit(run, number=1))
        return fastest / calls


def _in_torch(
    precision: str, tokens: int, hidden: int, intermediate: int, device: torch.device
) -> Callable[[], object]:
    shapes = (tokens, hidden), (intermediate, hidden)
    if precision == "int8":
        left, right = (
            torch.randint(-127, 128, shape, dtype=torch.int8, device=device) for shape in shapes
        )
        return lambda: torch._int_mm(left, right.t())  # noqa: SLF001 - torch's only int8 product
    dtype = getattr(torch, precision)
    states, weights = (torch.randn(shape, device=device).to(dtype) for shape in shapes)
    return lambda: torch.nn.functional.linear(states, weights)


def _elsewhere(
    precision: str, tokens: int, hidden: int, intermediate: int
) -> Iterator[Callable[[], object]]:
    """Yield the products of torch's blocked layers and of the other installed libraries, if they have the precision."""
    draw = np.random.default_rng(0)
    states, weights = (
        draw.standard_normal((rows, hidden), np.float32) for rows in (tokens, intermediate)
    )
    if precision == "float32":
        yield lambda: states @ weights.T
    dtype = getattr(torch, precision)
    if can_block(torch.device("cpu"), dtype):
        linear = BlockedLinear(torch.nn.Linear(hidden, intermediate, dtype=dtype))
        given = torch.from_numpy(states).to(dtype)
        yield torch.inference_mode()(lambda: linear(given))
    if is_installed("openvino"):
        from bge_rerank.backends.exported.products import compiled_product

        if precision == "int8":
            weights = (weights * 32).astype(np.int8)
        yield compiled_product(precision, states, weights, usable_cores())
