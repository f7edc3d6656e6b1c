"""OpenVINO and ONNX Runtime report nothing of their use, unless the user has set that they may."""

import os
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest

from bge_rerank.backends.exported.silent import (
    OPENVINO_CONSENT,
    ORT_VARIABLE,
    onnxruntime_reports_nothing,
)

pytestmark = pytest.mark.light_processes

SCRIPT = """
import os
{imports}
import openvino.tools.ovc
opened = [os.path.realpath(f"/proc/self/fd/{{number}}") for number in os.listdir("/proc/self/fd")]
print(any("onnxruntime.db" in path for path in opened), type(openvino.tools.ovc.telemetry).__module__)
"""
OURS = "import bge_rerank.backends.exported.onnx, bge_rerank.backends.exported.openvino"


def reports(imports: str, home: Path) -> list[str]:
    """Return whether ONNX Runtime has opened its queue of reports, and where OpenVINO's sender comes from."""
    environment = {**os.environ, "HOME": str(home), "CI": "true"}
    environment.pop(ORT_VARIABLE, None)
    answered = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(imports=imports)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return answered.stdout.split()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_our_backends_keep_both_runtimes_silent(tmp_path: Path) -> None:
    assert reports(OURS, tmp_path) == ["False", "openvino.tools.ovc.telemetry_stub"]
    assert [path.name for path in tmp_path.rglob("*") if "onnxruntime" in path.name] == []
    assert not (tmp_path / "intel").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_who_has_opted_in_to_openvinos_reports_keeps_them(tmp_path: Path) -> None:
    # Nothing is sent: OpenVINO leaves it where CI is set.
    (tmp_path / OPENVINO_CONSENT).parent.mkdir()
    (tmp_path / OPENVINO_CONSENT).write_text("1")
    assert reports(OURS, tmp_path) == ["False", "openvino_telemetry.main"]


def test_onnxruntime_that_was_imported_before_is_switched_off_unless_the_user_has_set_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(onnxruntime, "disable_telemetry_events", lambda: calls.append("off"))
    monkeypatch.setenv(ORT_VARIABLE, "0")
    with onnxruntime_reports_nothing():
        assert os.environ[ORT_VARIABLE] == "0"
    assert calls == []
    monkeypatch.delenv(ORT_VARIABLE)
    with onnxruntime_reports_nothing():
        assert os.environ[ORT_VARIABLE] == "1"
    assert calls == ["off"]
    assert ORT_VARIABLE not in os.environ
