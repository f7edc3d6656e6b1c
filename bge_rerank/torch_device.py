"""Where torch runs, in which precision, and whether an error means that memory ran out."""

from __future__ import annotations

import torch

from bge_rerank.config import Dtype
from bge_rerank.errors import ConfigurationError

_OUT_OF_MEMORY_MESSAGES = ("DefaultCPUAllocator", "MPS backend out of memory")
"""How torch words it where it raises a plain RuntimeError: the CPU allocator, Apple's GPUs."""


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


def choose_dtype(dtype: Dtype, device: torch.device) -> torch.dtype:
    """Return the precision named; `"auto"` is float32 on CPU and float16 elsewhere, as BAAI runs them.

    Raises:
        ConfigurationError: It is none of the four names.
    """
    if dtype == "auto":
        return torch.float32 if device.type == "cpu" else torch.float16
    if dtype not in ("float32", "float16", "bfloat16"):
        raise ConfigurationError(f"dtype is {dtype!r}; choose auto, float32, float16 or bfloat16")
    chosen: torch.dtype = getattr(torch, dtype)
    return chosen


def is_out_of_memory(error: BaseException) -> bool:
    """Tell a true out-of-memory error from any other `RuntimeError`."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        message in str(error) for message in _OUT_OF_MEMORY_MESSAGES
    )
