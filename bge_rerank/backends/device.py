"""Where torch runs, in which precision, how much goes there at once, and whether memory ran out."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from typing import Any

import torch

from bge_rerank.errors import ConfigurationError, OutOfMemoryError, ScoringError
from bge_rerank.models.config import Dtype

logger = logging.getLogger(__name__)

_OUT_OF_MEMORY_MESSAGES = ("DefaultCPUAllocator", "MPS backend out of memory")
"""How torch words it where it raises a plain RuntimeError: the CPU allocator, Apple's GPUs."""

CPU_ACTIVATIONS_A_THREAD = 2**20
"""Numbers at the widest place of a feed-forward, for a thread's share of a batch: 2 MB in bfloat16. Larger
batches leave the cores' caches, smaller ones are more calls. On two cores `mini` (1,536 wide) ranked 128
mixed documents in bfloat16 at 55, 61, 67, 67 and 54 pairs/s with 256, 512, 1,024, 2,048 and 4,096 tokens a
batch; the geometry of v2-m3 (4,096 wide) 12 of them at 1.2 with 512, 1.1 with 1,024, 0.9 with 2,048. That
the best grows with the threads is an assumption: a core's share of a batch stays the same."""
ACCELERATOR_MAX_BATCH_TOKENS = 32_768
"""The most on an accelerator, however much memory is free. At the geometry of v2-m3 an H100 scored 1,000
mixed pairs in float16 at 2,500, 3,100, 3,900 and 3,700 pairs/s with 8,192, 16,384, 32,768 and 65,536 tokens."""


def choose_device(device: str | None) -> torch.device:
    """Return the device named, or the accelerator, or the CPU.

    Raises:
        ConfigurationError: There is no such device on this machine.
    """
    if device is None:
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        return accelerator or torch.device("cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigurationError(f"device {device!r} cannot be used: {first_line}") from error
    return chosen


def choose_devices(device: str | Sequence[str] | None) -> list[torch.device]:
    """Return the devices named, or the one that `choose_device` chooses.

    Raises:
        ConfigurationError: There is no such device, or none was named, or one twice.
    """
    if device is None or isinstance(device, str):
        return [choose_device(device)]
    if not device or len(set(device)) != len(device):
        raise ConfigurationError(f"device is {list(device)}; name one or more, each once")
    return [choose_device(name) for name in device]


def choose_dtype(dtype: Dtype, device: torch.device) -> torch.dtype:
    """Return the precision named; `"auto"` is the one that the device computes fast in.

    That is float16 on accelerators, as BAAI runs them, bfloat16 on CPUs with instructions for it,
    float32 on the others.

    Raises:
        ConfigurationError: It is none of the four names.
    """
    if dtype == "auto":
        if device.type != "cpu":
            return torch.float16
        return torch.bfloat16 if cpu_has_bfloat16() else torch.float32
    if dtype not in ("float32", "float16", "bfloat16"):
        raise ConfigurationError(f"dtype is {dtype!r}; choose auto, float32, float16 or bfloat16")
    chosen: torch.dtype = getattr(torch, dtype)
    return chosen


def cpu_has_bfloat16() -> bool:
    """Say whether the CPU multiplies bfloat16 matrices by instructions of its own.

    By what torch says of the CPU, which it does from version 2.10 on.
    """
    capabilities = getattr(torch.cpu, "get_capabilities", dict[str, Any])()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def default_max_batch_tokens(device: torch.device, config: Any, itemsize: int) -> int:
    """Return the token budget of a batch: small on a CPU, by the free memory on CUDA.

    Args:
        device: Where the batch is computed.
        config: The model's, of transformers: its widths say what a token takes.
        itemsize: Bytes of a number in the model's precision.
    """
    if device.type == "cpu":
        activations = CPU_ACTIVATIONS_A_THREAD * torch.get_num_threads()
        return max(1, activations // int(config.intermediate_size))
    if device.type != "cuda":
        return ACCELERATOR_MAX_BATCH_TOKENS
    free, _ = torch.cuda.mem_get_info(device)
    return tokens_that_fit(free, config.hidden_size, config.intermediate_size, itemsize)


def keeps_every_shape(device: torch.device, dtype: torch.dtype) -> bool:
    """Say whether code and buffers stay for every shape met: oneDNN's, in bfloat16 on CPUs.

    With 1,500 mixed documents a process grew by 547 MB, and by 255 MB with lengths in steps of 8, at
    the same speed.
    """
    return device.type == "cpu" and dtype == torch.bfloat16


def tokens_that_fit(free: int, hidden_size: int, intermediate_size: int, itemsize: int) -> int:
    """Return how many tokens of a batch fit into half of the free memory, within the most allowed.

    At the widest place of a layer a token holds its input, three projections, its context and the
    sum, and both sides of the activation between the two large products; two batches are under way.

    >>> tokens_that_fit(8 * 2**30, hidden_size=1024, intermediate_size=4096, itemsize=2)
    32768
    >>> tokens_that_fit(2**30, hidden_size=1024, intermediate_size=4096, itemsize=2)
    9362
    """
    a_token = (6 * hidden_size + 2 * intermediate_size) * itemsize
    return max(1, min(ACCELERATOR_MAX_BATCH_TOKENS, free // 2 // (2 * a_token)))


def is_out_of_memory(error: BaseException) -> bool:
    """Tell a true out-of-memory error from any other `RuntimeError`."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        message in str(error) for message in _OUT_OF_MEMORY_MESSAGES
    )


class InHalves:
    """Runs batches on one device, each in halves if the device's memory does not take it whole."""

    def __init__(
        self, forward: Callable[[Sequence[Any]], list[float]], device: torch.device
    ) -> None:
        """Take what computes the logits of a batch of encoded pairs."""
        self._forward = forward
        self._device = device
        self._process = os.getpid()

    def __call__(self, batch: Sequence[Any]) -> list[float]:
        """Return the logits of a batch.

        Raises:
            OutOfMemoryError: A single pair does not fit into the device's memory.
            ScoringError: The forward pass failed, or this process was forked and the device is not a CPU.
        """
        if self._device.type != "cpu" and os.getpid() != self._process:
            raise ScoringError(
                f"{self._device} cannot be used in a forked process; start processes with 'spawn', "
                "or load the model after the fork"
            )
        try:
            return self._forward(batch)
        except (RuntimeError, MemoryError, IndexError) as error:
            if not is_out_of_memory(error):
                raise ScoringError(f"the forward pass failed on {self._device}: {error}") from error
            if len(batch) == 1:
                raise OutOfMemoryError(
                    f"a pair of {len(batch[0].ids)} tokens does not fit into the memory of {self._device}; "
                    "lower max_length, or choose another device or dtype"
                ) from error
        half = len(batch) // 2
        logger.warning("out of memory on %s: %d pairs in halves", self._device, len(batch))
        return self(batch[:half]) + self(batch[half:])
