"""The runtimes' own reports of their use are off, unless the user has set them.

ONNX Runtime reports to Microsoft and OpenVINO to Google Analytics, both from their import on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ORT_VARIABLE = "ORT_DISABLE_TELEMETRY"
"""ONNX Runtime reads it while it is imported: `1` keeps its reports off."""
OPENVINO_REPORTS = "openvino_telemetry"
"""The package that sends OpenVINO's reports, and NNCF's. Where it is not installed, nothing is sent."""
OPENVINO_CONSENT = Path("intel") / "openvino_telemetry"
"""The file that `opt_in_out` writes below the user's home."""


@contextmanager
def onnxruntime_reports_nothing() -> Iterator[None]:
    """Import ONNX Runtime in this block: its reports are off, unless `ORT_DISABLE_TELEMETRY` is set."""
    if ORT_VARIABLE in os.environ:
        yield
        return
    os.environ[ORT_VARIABLE] = "1"
    try:
        yield
    finally:
        del os.environ[ORT_VARIABLE]
    # Where it had been imported before, the variable came too late.
    sys.modules["onnxruntime"].disable_telemetry_events()


@contextmanager
def openvino_reports_nothing() -> Iterator[None]:
    """Import OpenVINO in this block, as if the package that sends its reports were not installed.

    Nothing changes where the user has decided by `opt_in_out`, or has imported that package.
    """
    if OPENVINO_REPORTS in sys.modules or (Path.home() / OPENVINO_CONSENT).exists():
        yield
        return
    sys.modules[OPENVINO_REPORTS] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[OPENVINO_REPORTS]
