"""`Measurement`: everything measured on one workload, in a form that JSON takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bge_rerank.cli.bench.contenders import Contender
from bge_rerank.cli.bench.files import Files
from bge_rerank.cli.bench.flops import forward_flops
from bge_rerank.cli.bench.outside import outside_forward_pass, token_counts
from bge_rerank.cli.bench.own_process import in_own_process
from bge_rerank.cli.bench.rows import measure_rows
from bge_rerank.cli.bench.settings import Settings
from bge_rerank.cli.bench.summary import Figures, summarise
from bge_rerank.cli.bench.workload import Workload


@dataclass(frozen=True, slots=True)
class Measurement:
    """One workload, measured.

    Attributes:
        length: The documents' length, by name.
        depth: How many they are.
        tokens: Of all pairs together, cut to the longest sequence.
        flops: The operations of one forward pass over all pairs.
        matmul: The machine's operations a second by precision: medians over the run.
        outside: Seconds of a call that are spent outside the forward pass, by part.
        rows: The figures, a row a contender.
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
        """Say what was ranked."""
        return f"{self.depth:,} {self.length} documents"

    def outside_share(self) -> float | None:
        """Return the share (0..1) of our fastest call that is spent outside the forward pass.

        The call is that of LangChain's adapter: what was timed, and the adapter on top of it.
        """
        rates = [row.rate for row in self.rows if row.is_ours and row.rate]
        if not rates:
            return None
        call = self.depth / max(rates) + self.outside["adapter"]
        return sum(self.outside.values()) / call

    def as_json(self) -> dict[str, Any]:
        """Return all figures."""
        return asdict(self) | {"outside_share": self.outside_share()}


def measure(
    settings: Settings,
    contenders: Sequence[Contender],
    workload: Workload,
    files: Files,
    measure_rates: Callable[[], Mapping[str, float]],
) -> Measurement:
    """Measure all contenders on a workload, and what the figures are compared with.

    Args:
        settings: Of the run.
        contenders: Who takes part.
        workload: What is ranked.
        files: What they read.
        measure_rates: Measures the machine's matrix-multiply rates.
    """
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
        rows=tuple(summarise(rows, flops, rates)),
    )
