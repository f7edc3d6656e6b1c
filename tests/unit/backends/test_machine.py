from pathlib import Path

import pytest

from bge_rerank.backends import machine
from bge_rerank.backends.machine import cpu_flags, cpu_info, matrix_unit

SAPPHIRE_RAPIDS = frozenset({"avx2", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8"})
ZEN_4 = frozenset({"avx2", "avx512_bf16", "avx512_vnni"})
ZEN_3 = frozenset({"avx2"})


@pytest.mark.parametrize(
    ("flags", "units"),
    [
        (SAPPHIRE_RAPIDS, ["other", "amx", "amx"]),
        (ZEN_4, ["other", "avx512", "avx512"]),
        (ZEN_3, ["other", "other", "other"]),
        (frozenset[str](), ["other", "other", "other"]),
    ],
)
def test_a_precision_is_multiplied_by_the_fastest_instructions_that_the_cpu_has(
    flags: frozenset[str], units: list[str]
) -> None:
    precisions = ("float32", "bfloat16", "int8")
    assert [matrix_unit(precision, flags) for precision in precisions] == units


def test_the_instructions_are_those_of_the_first_cpu_in_the_systems_list(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    listed = tmp_path / "cpuinfo"
    listed.write_text(
        "model name\t: A CPU\nflags\t\t: avx2 amx_bf16\n\nmodel name\t: B\nflags\t: sse\n"
    )
    monkeypatch.setattr(machine, "_CPU_INFO", listed)
    cpu_info.cache_clear()
    assert (cpu_info("model name"), cpu_flags()) == ("A CPU", {"avx2", "amx_bf16"})
    cpu_info.cache_clear()


def test_a_system_without_the_list_has_no_known_instructions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine, "_CPU_INFO", tmp_path / "none")
    cpu_info.cache_clear()
    assert cpu_flags() == frozenset()
    cpu_info.cache_clear()
