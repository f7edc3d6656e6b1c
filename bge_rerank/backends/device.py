"""Choose torch's device, precision and batch size, and recognise out-of-memory errors."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch

from bge_rerank.backends.machine import (
    BatchSizes,
    Unit,
    bfloat16_is_faster,
    cpu_flags,
    matrix_unit,
)
from bge_rerank.errors import ConfigurationError, OutOfMemoryError, ScoringError
from bge_rerank.logs import Warnings
from bge_rerank.models.config import Dtype, ScorerConfig

logger = logging.getLogger(__name__)

_OUT_OF_MEMORY_MESSAGES = ("DefaultCPUAllocator", "MPS backend out of memory")
"""Parts of torch's messages where it raises a plain RuntimeError: the CPU allocator, and Apple's GPUs."""

CPU_ACTIVATIONS_A_THREAD: Mapping[Unit, int] = {
    "amx": 3 * 2**20,
    "avx512": 3 * 2**19,
    "other": 2**20,
}
"""The most numbers of a thread's share of a batch, at the widest part of a layer, by the instructions for products.

Larger batches do not fit into the cores' caches, and smaller ones need more calls. It is an assumption that the best
number grows with the threads. Measurements: benchmarks/LOG.md."""
CPU_BATCH_COSTS: Mapping[Unit, int] = {"amx": 300, "avx512": 64, "other": 32}
"""The fixed cost of a batch, in tokens, by the instructions for products."""
ACCELERATOR_MAX_BATCH_TOKENS = 32_768
"""The most tokens of a batch on an accelerator, however much memory is free.

Pairs/s of an H100 in float16, at the geometry of v2-m3 with 1,000 pairs of mixed length, by tokens in a batch:

| 8,192 | 16,384 | 32,768 | 65,536 |
|--:|--:|--:|--:|
| 2,500 | 3,100 | 3,900 | 3,700 |
"""


def choose_device(device: str | None) -> torch.device:
    """Return the named device. `None` is the accelerator if there is one, else the CPU.

    Raises:
        ConfigurationError: This machine does not have the device.
    """
    if device is None:
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        return accelerator or torch.device("cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigurationError(
            f"device is {device!r}, which torch cannot use here ({first_line}); pass 'cpu', or None to choose"
        ) from error
    return chosen


def choose_devices(config: ScorerConfig) -> list[torch.device]:
    """Return the devices that a configuration names, or the one that `choose_device` chooses.

    Raises:
        ConfigurationError: This machine lacks a device, the list is empty, or it names a device twice.
    """
    device = config.device
    if device is None or isinstance(device, str):
        return [choose_device(device)]
    if not device or len(set(device)) != len(device):
        raise ConfigurationError(f"device is {list(device)}; pass one or more devices, each once")
    return [choose_device(name) for name in device]


def single_device(config: ScorerConfig) -> torch.device:
    """Return the configuration's only device, for backends that use one.

    Raises:
        ConfigurationError: This machine lacks the device, or several were passed.
    """
    [device, *others] = choose_devices(config)
    if others:
        raise ConfigurationError(
            f"device is {config.device}, but backend {config.backend!r} uses only one; pass one, or use "
            "backend='torch'"
        )
    return device


def limit_threads(config: ScorerConfig) -> None:
    """Let torch use as many threads as a configuration names. The number holds for the whole process."""
    if config.threads is not None:
        torch.set_num_threads(config.threads)


def choose_dtype(dtype: Dtype, device: torch.device) -> torch.dtype:
    """Return the named precision. `"auto"` is the fastest one of the device.

    That is float16 on accelerators, as BAAI runs its models, bfloat16 on CPUs that multiply it faster than float32, and
    float32 on other CPUs.

    Raises:
        ConfigurationError: The precision is int8, which only exported graphs run in.
    """
    if dtype == "int8":
        raise ConfigurationError(
            "dtype is 'int8', which only exported models run in; leave it out, or use backend='openvino' or 'onnx'"
        )
    if dtype == "auto":
        if device.type != "cpu":
            return torch.float16
        return torch.bfloat16 if torch_gains_by_bfloat16() else torch.float32
    # Where no instructions are known, as on macOS, there may be some for bfloat16.
    if (
        dtype == "bfloat16"
        and device.type == "cpu"
        and cpu_flags()
        and not torch_gains_by_bfloat16()
    ):
        logger.warning(
            "dtype is 'bfloat16', but torch multiplies float32 faster on this CPU; leave dtype out"
        )
    chosen: torch.dtype = getattr(torch, dtype)
    return chosen


@cache
def torch_gains_by_bfloat16() -> bool:
    """Return whether torch multiplies bfloat16 faster than float32 on this CPU. It is measured once a process."""

    def product(precision: str, rows: int, width: int) -> Callable[[], object]:
        dtype = getattr(torch, precision)
        states, weights = (
            torch.ones(rows, width, dtype=dtype),
            torch.ones(width, width, dtype=dtype),
        )
        return lambda: torch.nn.functional.linear(states, weights)

    return bfloat16_is_faster(product, torch.get_num_threads())


def batch_sizes(device: torch.device, config: Any, dtype: torch.dtype) -> BatchSizes:
    """Return the sizes of batches: by the CPU's instructions and threads, or by the free memory on CUDA.

    Args:
        device: The device of the batches.
        config: The model's config from transformers, for its widths.
        dtype: The model's precision.
    """
    # A few configs leave the width of the feed-forward out; four times the model's is the usual one.
    intermediate_size = int(getattr(config, "intermediate_size", 0) or 4 * config.hidden_size)
    if device.type == "cpu":
        unit = matrix_unit(str(dtype).removeprefix("torch."), cpu_flags())
        threads = torch.get_num_threads()
        tokens = max(1, CPU_ACTIVATIONS_A_THREAD[unit] * threads // intermediate_size)
        return BatchSizes(tokens, CPU_BATCH_COSTS[unit], f"for {unit} and {threads} threads")
    tokens, reason = ACCELERATOR_MAX_BATCH_TOKENS, f"for {device}"
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        tokens = tokens_that_fit(free, config.hidden_size, intermediate_size, dtype.itemsize)
        reason = f"for the free memory of {device}"
    # A fixed cost of a whole batch makes few and full batches with little padding.
    return BatchSizes(tokens, tokens, reason)


def keeps_every_shape(device: torch.device, dtype: torch.dtype, *, blocks: bool) -> bool:
    """Return whether the runtime keeps code and buffers for each shape, as oneDNN does for bfloat16 and for blocked weights.

    With 1,500 mixed documents in bfloat16 a process grew by 547 MB. With lengths in steps of 8 it grew by 255 MB, at the
    same speed.
    """
    return device.type == "cpu" and (blocks or dtype == torch.bfloat16)


def tokens_that_fit(free: int, hidden_size: int, intermediate_size: int, itemsize: int) -> int:
    """Return how many tokens of a batch fit into half of the free memory, up to the most allowed.

    At the widest part of a layer, a token needs its input, three projections, its context, their sum, and both sides
    of the activation between the two large products. Two batches are computed at the same time.

    >>> tokens_that_fit(8 * 2**30, hidden_size=1024, intermediate_size=4096, itemsize=2)
    32768
    >>> tokens_that_fit(2**30, hidden_size=1024, intermediate_size=4096, itemsize=2)
    9362
    """
    a_token = (6 * hidden_size + 2 * intermediate_size) * itemsize
    return max(1, min(ACCELERATOR_MAX_BATCH_TOKENS, free // 2 // (2 * a_token)))


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that memory ran out."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        message in str(error) for message in _OUT_OF_MEMORY_MESSAGES
    )


class InHalves:
    """A runner of batches on one device. It halves batches that do not fit into memory.

    The first halved batch is logged at WARNING level, further ones at INFO level.
    """

    def __init__(
        self, forward: Callable[[Sequence[Any]], list[float]], device: torch.device
    ) -> None:
        """Take what computes the logits of a batch of encoded pairs."""
        self._forward = forward
        self._device = device
        self._process = os.getpid()
        self._warn = Warnings(logging.getLogger(__name__))

    def __call__(self, batch: Sequence[Any]) -> list[float]:
        """Return the logits of a batch.

        Raises:
            OutOfMemoryError: A single pair does not fit into the device's memory.
            ScoringError: The forward pass failed, or this process was forked and the device is not a CPU.
        """
        if self._device.type != "cpu" and os.getpid() != self._process:
            raise ScoringError(
                f"{self._device} cannot be used in a fork of the process that loaded the model; start processes "
                "with 'spawn', or load the model only after the fork"
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
        self._warn(
            "memory",
            "out of memory on %s with a batch of %d pairs, so it runs in halves",
            *(self._device, len(batch)),
        )
        return self(batch[:half]) + self(batch[half:])
