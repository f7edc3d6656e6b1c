"""The two measurements: contenders on one workload, and time and memory by the number of pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bge_rerank.cli.bench.contenders import Contender
from bge_rerank.cli.bench.figures import Figures, figures_of
from bge_rerank.cli.bench.files import Files
from bge_rerank.cli.bench.forward_pass import forward_flops, outside_forward_pass, token_counts
from bge_rerank.cli.bench.own_process import in_own_process
from bge_rerank.cli.bench.progress import progress
from bge_rerank.cli.bench.rows import Row, measure_rows
from bge_rerank.cli.bench.settings import Settings
from bge_rerank.cli.bench.workload import Workload, make_workload

SIZES = (10, 100, 1_000, 10_000)
"""The default numbers of pairs for the measurement of growth."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """The measurement of one workload, with one row for each contender.

    Attributes:
        length: A name of `LENGTHS`.
        depth: The number of documents.
        tokens: The tokens of all pairs, after truncation.
        flops: The operations of one forward pass over all pairs.
        matmul: The machine's operations per second, by precision: medians over the run.
        outside: The seconds of a call outside the forward pass, by part.
    """

    length: str
    depth: int
    tokens: int
    flops: int
    matmul: Mapping[str, float]
    outside: Mapping[str, float]
    rows: tuple[Figures, ...]

    @property
    def name(self) -> str:
        """Return the number and length of the passages, as a heading."""
        return f"{self.depth:,} {self.length} passages"

    def outside_share(self) -> float | None:
        """Return the share (0..1) of our fastest call that is spent outside the forward pass.

        The call goes through LangChain's adapter: the timed call, plus the time of the adapter.
        """
        rates = [row.rate for row in self.rows if row.is_ours and row.rate]
        if not rates:
            return None
        call = self.depth / max(rates) + self.outside["adapter"]
        return sum(self.outside.values()) / call

    def as_json(self) -> dict[str, Any]:
        """Return all figures, for JSON."""
        return asdict(self) | {"outside_share": self.outside_share()}


def measure(
    settings: Settings,
    contenders: Sequence[Contender],
    workload: Workload,
    files: Files,
    measure_rates: Callable[[], Mapping[str, float]],
) -> Measurement:
    """Measure all contenders on a workload, the machine's rates, and the time outside the forward pass."""
    lengths = token_counts(files.weights, files.max_length, workload)
    flops = forward_flops(files.config, lengths)
    outside = in_own_process(
        outside_forward_pass, files.weights, files.max_length, workload, threads=settings.threads
    )
    rows, rates = measure_rows(settings, contenders, workload, files, measure_rates)
    return Measurement(
        length=workload.length,
        depth=len(workload.documents),
        tokens=sum(lengths),
        flops=flops,
        matmul=rates,
        outside=outside,
        rows=tuple(figures_of(rows, flops, rates)),
    )


@dataclass(frozen=True, slots=True)
class Grown:
    """One call of one contender with one number of pairs. `failure` says why it was not measured.

    `above_weights_bytes` is the maximum memory during the call, minus the memory before it. If the
    measurement failed, both figures are 0.
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
    """Time one call of each contender at each size, each in a fresh process."""
    cases = [(contender, size) for contender in contenders for size in sizes]
    measured = []
    with progress(len(cases)) as tick:
        for contender, size in cases:
            tick(f"{size:,} pairs: {contender.name}")
            row = Row(contender, files.failures.get(contender.export))
            workload = make_workload(length, size)
            row.take_turn(settings, files, workload, 1, stays=False)
            if row.failure:
                grown = Grown(contender.name, size, failure=row.failure)
            else:
                above_weights = row.peaks[0].above_weights
                grown = Grown(contender.name, size, row.runs[0].seconds, above_weights)
            measured.append(grown)
    return measured
