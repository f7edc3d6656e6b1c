"""Linear layers whose weights stand in the order that oneDNN's kernels read, on x86 CPUs.

Torch keeps weights in rows. So each product of a batch first brings them into the kernel's order, which costs a small
batch more than its own work. Here they are brought into that order once.
"""

from __future__ import annotations

from typing import Any

import torch

NEEDED = ("_linear_pointwise", "_reorder_linear_weight", "_is_mkldnn_bf16_supported")
"""Operations without a public name, which a later torch may lack. Without them, torch's own products run."""


class BlockedLinear(torch.nn.Module):
    """A linear layer with blocked weights, and with what follows it in the same pass over the output."""

    def __init__(self, linear: torch.nn.Linear, activation: str = "none") -> None:
        """Take a layer's weights.

        Args:
            linear: A layer on the CPU, in bfloat16 or float32.
            activation: `"gelu"`, or `"none"`.
        """
        super().__init__()
        self._weight = _operations()._reorder_linear_weight(linear.weight.data)  # noqa: SLF001
        self._product = _operations()._linear_pointwise  # noqa: SLF001
        self._bias = linear.bias.data
        self._activation = activation

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return the activation of the product."""
        out: torch.Tensor = self._product(
            states, self._weight, self._bias, self._activation, [], "none"
        )
        return out

    def plus(self, states: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        """Return the sum of the product and a residual of the same shape."""
        out: torch.Tensor = self._product.binary(
            states, residual.contiguous(), self._weight, self._bias, "add"
        )
        return out


def can_block(device: torch.device, dtype: torch.dtype) -> bool:
    """Return whether this torch and this CPU have blocked products for a device and precision, and gain by them."""
    onednn: Any = torch.backends.mkldnn
    if device.type != "cpu" or not onednn.is_available():
        return False
    if not all(hasattr(_operations(), name) for name in NEEDED):
        return False
    if dtype == torch.bfloat16:
        return bool(_operations()._is_mkldnn_bf16_supported())  # noqa: SLF001
    # With AVX2 alone, float32 gains nothing.
    return dtype == torch.float32 and torch.backends.cpu.get_cpu_capability() == "AVX512"


def block_products(layers: Any) -> None:
    """Replace the linear layers of an encoder's layers. Their own weights are freed."""
    for layer in layers:
        attention, own = layer.attention.self, layer.intermediate
        for name in ("query", "key", "value"):
            setattr(attention, name, BlockedLinear(getattr(attention, name)))
        for part in (layer.attention.output, layer.output):
            part.dense = BlockedLinear(part.dense)
        fuses = _is_gelu(own.intermediate_act_fn)
        own.dense = BlockedLinear(own.dense, "gelu" if fuses else "none")
        if fuses:
            own.intermediate_act_fn = torch.nn.Identity()
    layers.train(layers.training)  # the new modules too


def _is_gelu(function: Any) -> bool:
    """Return whether a model's activation function is the exact GELU, of which there are several classes."""
    states = torch.linspace(-4, 4, 33)
    return torch.equal(function(states), torch.nn.functional.gelu(states))


def _operations() -> Any:
    """Return oneDNN's operations that torch's own compiler uses. They have no public name."""
    return torch.ops.mkldnn
