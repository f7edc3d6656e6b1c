"""After the first calls, the memory above the weights stays flat over many calls."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import small_calls
from memory_slope import memory_slope

WARM_UP = 0.3
"""The share of the calls in which allocators and the caches of shapes still grow."""
MOST_GROWTH = 32_000_000
"""The maximum growth in bytes after the warm-up, at the upper end of the slope's confidence interval."""
BACKENDS = ("torch", "openvino", "onnx")
CALLS = 100_000


@pytest.mark.long
@pytest.mark.parametrize("backend", BACKENDS)
def test_small_calls_leave_memory_flat(backend: str, exported_mini: Path) -> None:
    model = "mini" if backend == "torch" else exported_mini
    command = [sys.executable, small_calls.__file__, str(model), backend, str(CALLS)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    samples = [json.loads(line) for line in printed.stdout.splitlines()]
    work, memory = zip(*samples[round(WARM_UP * len(samples)) :], strict=True)
    slope = memory_slope(work, memory)
    print(f"{backend}, {CALLS:,} calls: {slope}; {memory[0]:,} to {memory[-1]:,} bytes")
    assert slope.high * (work[-1] - work[0]) < MOST_GROWTH
