from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")

from bge_rerank.backends.exported import onnx
from bge_rerank.models.config import ScorerConfig


@pytest.mark.parametrize(
    ("flags", "exact"),
    [({"avx2"}, True), ({"avx2", "avx512_vnni"}, False), ({"avx2", "avx_vnni"}, False), ((), True)],
)
def test_only_cpus_without_vnni_pay_for_exact_sums_of_8_bit_products(
    monkeypatch: pytest.MonkeyPatch, tiny_export: Path, flags: set[str], exact: bool
) -> None:
    entries: list[tuple[str, str]] = []
    options = onnx.ort.SessionOptions

    class Options(options):
        def add_session_config_entry(self, name: str, value: str) -> None:
            entries.append((name, value))
            super().add_session_config_entry(name, value)

    monkeypatch.setattr(onnx.ort, "SessionOptions", Options)
    monkeypatch.setattr(onnx, "cpu_flags", lambda: frozenset(flags))
    onnx.OnnxScorer(ScorerConfig(str(tiny_export), "onnx"))
    assert entries == [onnx.EXACT_SUMS] * exact
