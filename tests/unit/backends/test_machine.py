import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from bge_rerank.backends import machine
from bge_rerank.backends.machine import (
    bfloat16_is_faster,
    cpu_flags,
    cpu_info,
    is_faster,
    matrix_unit,
)

SAPPHIRE_RAPIDS = frozenset(
    {"avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8"}
)
ZEN_4 = frozenset({"avx2", "avx512f", "avx512_bf16", "avx512_vnni"})
ZEN_3 = frozenset({"avx2"})


@pytest.mark.parametrize(
    ("flags", "units"),
    [
        (SAPPHIRE_RAPIDS, ["avx512", "amx", "amx"]),
        (ZEN_4, ["avx512", "avx512", "avx512"]),
        (ZEN_3, ["other", "other", "other"]),
        (frozenset[str](), ["other", "other", "other"]),
    ],
)
def test_a_precision_is_multiplied_by_the_fastest_instructions_that_the_cpu_has(
    flags: frozenset[str], units: list[str]
) -> None:
    precisions = ("float32", "bfloat16", "int8")
    assert [matrix_unit(precision, flags) for precision in precisions] == units


@pytest.mark.parametrize(
    ("flags", "milliseconds", "expected", "products"),
    [
        (ZEN_4, {"bfloat16": 1, "float32": 3}, True, 2),
        (ZEN_4, {"bfloat16": 3, "float32": 1}, False, 2),
        (ZEN_4, {"bfloat16": 3, "float32": 3}, False, 2),
        (ZEN_3, {}, False, 0),
        (SAPPHIRE_RAPIDS, {}, True, 0),
    ],
)
def test_whether_bfloat16_gains_is_measured_unless_the_instructions_tell(
    monkeypatch: pytest.MonkeyPatch,
    flags: frozenset[str],
    milliseconds: dict[str, int],
    expected: bool,
    products: int,
) -> None:
    monkeypatch.setattr(machine, "cpu_flags", lambda: flags)
    sizes = []

    def product(precision: str, rows: int, width: int) -> Callable[[], object]:
        sizes.append(rows)
        return partial(time.sleep, milliseconds[precision] / 1_000)

    assert bfloat16_is_faster(product, threads=4) is expected
    assert sizes == [1_024] * products


def test_one_slow_run_does_not_decide_which_call_is_faster() -> None:
    pauses = iter([0.05, *[0.001] * 5])
    assert is_faster(lambda: time.sleep(next(pauses)), lambda: time.sleep(0.003))


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
