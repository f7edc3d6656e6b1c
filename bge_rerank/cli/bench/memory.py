"""How much memory this process holds, and held at most, in bytes: the machine's, or a CUDA device's."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Protocol

_STATUS = Path("/proc/self/status")
_FORGET = Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"


class Memory(Protocol):
    """Memory of this process."""

    def held(self) -> int:
        """Return what is held now."""
        ...

    def peak(self) -> int:
        """Return the most that was held at a time, since the start or `forget_peak`."""
        ...

    def forget_peak(self) -> None:
        """Let the peak start anew from what is held now."""
        ...


def memory_of(device: str) -> Memory:
    """Return the memory in which a contender on this device keeps its weights.

    >>> memory = memory_of("cpu")
    >>> 0 < memory.held() <= memory.peak() * 1.1
    True
    """
    return HostMemory() if device == "cpu" else CudaMemory(device)


class HostMemory:
    """The machine's memory. Linux tells of the program alone; `getrusage` counts what the parent held too."""

    def held(self) -> int:
        """Return what is resident now; where the system does not tell, the peak."""
        return _status("VmRSS") or _peak_by_getrusage()

    def peak(self) -> int:
        """Return the most that was resident at a time."""
        return _status("VmHWM") or _peak_by_getrusage()

    def forget_peak(self) -> None:
        """Let the peak start anew, where the system can (Linux)."""
        # Where it may not, as in some containers, the peak is that since the start.
        with suppress(OSError):
            _FORGET.write_text(_FORGET_PEAK, encoding="ascii")


class CudaMemory:
    """A CUDA device's memory, by what torch has allocated there: every contender computes by torch."""

    def __init__(self, device: str) -> None:
        """Take the device's name."""
        self._device = device

    def held(self) -> int:
        """Return what tensors hold now."""
        import torch

        return torch.cuda.memory_allocated(self._device)

    def peak(self) -> int:
        """Return the most that tensors held at a time."""
        import torch

        return torch.cuda.max_memory_allocated(self._device)

    def forget_peak(self) -> None:
        """Let the peak start anew."""
        import torch

        torch.cuda.reset_peak_memory_stats(self._device)


def _status(field: str) -> int:
    if not _STATUS.exists():
        return 0
    found = re.search(rf"^{field}:\s+(\d+) kB$", _STATUS.read_text(encoding="ascii"), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _peak_by_getrusage() -> int:
    import resource
    import sys

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
