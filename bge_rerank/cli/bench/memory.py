"""The memory that this process holds, and held at most, in bytes: on the machine or on a CUDA device."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from pathlib import Path

import psutil

_STATUS = Path("/proc/self/status")
_FORGET = Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"


class HostMemory:
    """The machine's memory."""

    def held(self) -> int:
        """Return the memory that is resident now."""
        return int(psutil.Process().memory_info().rss)

    def peak(self) -> int:
        """Return the most memory that was resident at a time, since the start or `forget_peak`."""
        # psutil tells the peak on Windows only.
        if sys.platform == "win32":
            return int(psutil.Process().memory_info().peak_wset)
        return _linux_peak() or _peak_by_getrusage()

    def forget_peak(self) -> None:
        """Let the peak start anew from what is held now. Only Linux can."""
        # Some containers refuse. The peak is then that since the start.
        with suppress(OSError):
            _FORGET.write_text(_FORGET_PEAK, encoding="ascii")


class CudaMemory:
    """A CUDA device's memory, as torch has allocated it: every contender computes by torch there."""

    def __init__(self, device: str) -> None:
        """Take the device's name."""
        import torch

        self._cuda, self._device = torch.cuda, device

    def held(self) -> int:
        """Return the memory that tensors hold now."""
        return self._cuda.memory_allocated(self._device)

    def peak(self) -> int:
        """Return the most memory that tensors held at a time, since the start or `forget_peak`."""
        return self._cuda.max_memory_allocated(self._device)

    def forget_peak(self) -> None:
        """Let the peak start anew from what is held now."""
        self._cuda.reset_peak_memory_stats(self._device)


def memory_of(device: str) -> HostMemory | CudaMemory:
    """Return the memory in which a contender on this device keeps its weights.

    >>> memory = memory_of("cpu")
    >>> 0 < memory.held() <= memory.peak() * 1.1
    True
    """
    return HostMemory() if device == "cpu" else CudaMemory(device)


def _linux_peak() -> int:
    """Return the peak of the program alone; 0 where the system does not tell."""
    if not _STATUS.exists():
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB$", _STATUS.read_text("ascii"), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _peak_by_getrusage() -> int:
    """Return the peak. On Linux it includes what the parent held."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
