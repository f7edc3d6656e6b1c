"""OpenVINO and ONNX Runtime send no usage reports, unless the user has allowed them."""

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
    """Return whether ONNX Runtime has opened its queue of reports, and the module of OpenVINO's sender."""
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


STARTED = """
import sys
started = []
sys.addaudithook(
    lambda event, _: started.append(event) if event in ("os.fork", "os.posix_spawn", "subprocess.Popen") else None
)
{imports}
import openvino.tools.ovc, psutil
print([*started, *psutil.Process().children(recursive=True)])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="OpenVINO forks to report")
def test_importing_openvino_through_our_backend_starts_no_process(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path)}
    environment.pop("CI", None)  # with CI set, OpenVINO reports nothing
    code = STARTED.format(imports=OURS)
    started = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert started.stdout.strip() == "[]"


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_openvinos_reports_stay_on_for_a_user_who_opted_in(tmp_path: Path) -> None:
    # Nothing is sent, because OpenVINO sends no reports if CI is set.
    (tmp_path / OPENVINO_CONSENT).parent.mkdir()
    (tmp_path / OPENVINO_CONSENT).write_text("1")
    assert reports(OURS, tmp_path) == ["False", "openvino_telemetry.main"]


def test_reports_of_onnxruntime_are_switched_off_after_its_import_unless_the_user_set_the_variable(
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
