from pathlib import Path

import pytest

pytest.importorskip("openvino")

from bge_rerank.backends import machine
from bge_rerank.backends.exported import openvino
from bge_rerank.models.config import ScorerConfig


@pytest.mark.parametrize(
    ("flags", "precision", "expected"),
    [
        ({"amx_bf16", "avx512_bf16"}, "bfloat16", (2_048, 300)),
        ({"amx_int8", "avx512_vnni"}, "int8", (2_048, 300)),
        ({"amx_bf16", "amx_int8", "avx512f"}, "float32", (1_024, 64)),
        ({"avx512_bf16", "avx512_vnni"}, "bfloat16", (1_024, 64)),
        ({"avx512_bf16", "avx512_vnni"}, "int8", (1_024, 64)),
        (set(), "int8", (1_024, 32)),
    ],
)
def test_batches_follow_from_the_instructions_for_the_precision(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], precision: str, expected: tuple[int, int]
) -> None:
    monkeypatch.setattr(openvino, "cpu_flags", lambda: frozenset(flags))
    sizes = openvino._sizes(precision)
    assert (sizes.max_tokens, sizes.cost) == expected


@pytest.mark.parametrize(
    ("flags_and_gain", "precision_and_warnings"),
    [
        (({"avx512_bf16"}, True), ("bfloat16", 0)),
        (({"avx512_bf16"}, False), ("bfloat16", 1)),
        (({"avx2"}, False), ("float32", 1)),
        (((), False), ("bfloat16", 0)),
    ],
)
def test_a_cpu_that_loses_by_bfloat16_causes_a_warning_and_one_without_it_computes_in_float32(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tiny_export: Path,
    flags_and_gain: tuple[set[str], bool],
    precision_and_warnings: tuple[str, int],
) -> None:
    flags, gain = flags_and_gain
    for module in (machine, openvino):
        monkeypatch.setattr(module, "cpu_flags", lambda: frozenset(flags))
    monkeypatch.setattr(openvino, "openvino_gains_by_bfloat16", lambda _threads: gain)
    scorer = openvino.OpenVinoScorer(ScorerConfig(str(tiny_export), "openvino", dtype="bfloat16"))
    warnings = caplog.text.count("OpenVINO multiplies float32 faster")
    assert (scorer.precision, warnings) == precision_and_warnings


def test_the_rest_of_an_int8_graph_runs_in_float32_on_a_cpu_that_loses_by_bfloat16(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(openvino, "openvino_gains_by_bfloat16", lambda _threads: False)
    scorer = openvino.OpenVinoScorer(ScorerConfig("mini", "openvino", dtype="int8"))
    compiled = scorer._pool._runners[0]._request.get_compiled_model()
    assert compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"
