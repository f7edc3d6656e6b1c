"""Switch off the runtimes' usage reports, unless the user has configured them.

ONNX Runtime reports to Microsoft, and OpenVINO to Google Analytics. Both start when they are imported, and OpenVINO
starts a process for it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ORT_VARIABLE = "ORT_DISABLE_TELEMETRY"
"""The variable that ONNX Runtime reads during its import. `1` switches its reports off."""
OPENVINO_REPORTS = "openvino_telemetry"
"""The package that sends the reports of OpenVINO. If it is not installed, nothing is sent."""
OPENVINO_CONSENT = Path("intel") / "openvino_telemetry"
"""The file in the user's home in which `opt_in_out` saves the user's choice."""


@contextmanager
def onnxruntime_reports_nothing() -> Iterator[None]:
    """Import ONNX Runtime in this block to switch off its reports, unless `ORT_DISABLE_TELEMETRY` is set."""
    if ORT_VARIABLE in os.environ:
        yield
        return
    os.environ[ORT_VARIABLE] = "1"
    try:
        yield
    finally:
        del os.environ[ORT_VARIABLE]
    # If it was imported before, the variable came too late.
    sys.modules["onnxruntime"].disable_telemetry_events()


@contextmanager
def openvino_reports_nothing() -> Iterator[None]:
    """Import OpenVINO in this block as if the package that sends its reports were not installed.

    The block changes nothing if the user has decided with `opt_in_out`, or has imported that package before.
    """
    if OPENVINO_REPORTS in sys.modules or (Path.home() / OPENVINO_CONSENT).exists():
        yield
        return
    sys.modules[OPENVINO_REPORTS] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[OPENVINO_REPORTS]
