import pytest

pytest.importorskip("openvino")

from bge_rerank.backends.exported import openvino


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
