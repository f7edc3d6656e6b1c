"""Does time grow in step with the number of pairs, and memory not at all? Ours alone, size by size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bge_rerank.cli.bench.contenders import Contender
from bge_rerank.cli.bench.files import Files
from bge_rerank.cli.bench.progress import progress
from bge_rerank.cli.bench.rows import Row
from bge_rerank.cli.bench.settings import Settings
from bge_rerank.cli.bench.workload import make_workload

SIZES = (10, 100, 1_000, 10_000)


@dataclass(frozen=True, slots=True)
class Grown:
    """One contender at one number of pairs.

    Attributes:
        name: The contender.
        pairs: How many documents were ranked in one call.
        seconds: Of the call; 0 where it was not measured.
        above_weights_bytes: The most memory that the call took on top of what was held before it.
        failure: Why it was not measured.
    """

    name: str
    pairs: int
    seconds: float = 0.0
    above_weights_bytes: int = 0
    failure: str | None = None


def measure_growth(
    settings: Settings,
    contenders: Sequence[Contender],
    length: str,
    sizes: Sequence[int],
    files: Files,
) -> list[Grown]:
    """Time one call of each contender at each size, in a fresh process each."""
    cases = [(contender, size) for contender in contenders for size in sizes]
    measured = []
    with progress(len(cases)) as tick:
        for contender, size in cases:
            tick(f"{size:,} pairs: {contender.name}")
            row = Row(contender, files.failures.get(contender.export))
            workload = make_workload(length, size)
            row.take_turn(settings, files, workload, 1, stays=False)
            measured.append(_grown(row, size))
    return measured


def _grown(row: Row, size: int) -> Grown:
    name = row.contender.name
    if row.failure:
        return Grown(name, size, failure=row.failure)
    return Grown(name, size, row.runs[0].seconds, row.peaks[0].above_weights)
