"""The current and the peak memory of this process in bytes, on the host or on a CUDA device."""

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
        """Return the resident memory."""
        return int(psutil.Process().memory_info().rss)

    def peak(self) -> int:
        """Return the peak of the resident memory since the start, or since `forget_peak`."""
        # psutil has the peak on Windows only.
        if sys.platform == "win32":
            return int(psutil.Process().memory_info().peak_wset)
        return _linux_peak() or _peak_by_getrusage()

    def forget_peak(self) -> None:
        """Reset the peak to the current memory. This works on Linux only."""
        # Some containers refuse it. `peak` is then the peak since the start.
        with suppress(OSError):
            _FORGET.write_text(_FORGET_PEAK, encoding="ascii")


class CudaMemory:
    """A CUDA device's memory, as torch allocates it. All contenders on CUDA use torch."""

    def __init__(self, device: str) -> None:
        """Take the device's name."""
        import torch

        self._cuda, self._device = torch.cuda, device

    def held(self) -> int:
        """Return the memory of the current tensors."""
        return self._cuda.memory_allocated(self._device)

    def peak(self) -> int:
        """Return the peak of the tensors' memory since the start, or since `forget_peak`."""
        return self._cuda.max_memory_allocated(self._device)

    def forget_peak(self) -> None:
        """Reset the peak to the current memory."""
        self._cuda.reset_peak_memory_stats(self._device)


def memory_of(device: str) -> HostMemory | CudaMemory:
    """Return the memory that holds the weights of a contender on this device.

    >>> memory = memory_of("cpu")
    >>> 0 < memory.held() <= memory.peak() * 1.1
    True
    """
    return HostMemory() if device == "cpu" else CudaMemory(device)


def _linux_peak() -> int:
    """Return the peak of this program alone, or 0 if the system does not say."""
    if not _STATUS.exists():
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB$", _STATUS.read_text("ascii"), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _peak_by_getrusage() -> int:
    """Return the peak. On Linux it includes the parent's memory."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
