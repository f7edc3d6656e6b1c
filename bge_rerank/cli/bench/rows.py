"""Measure all contenders on one workload, one at a time, each in a separate process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median

import psutil

from bge_rerank.cli.bench.contenders import Contender
from bge_rerank.cli.bench.files import Files, failure_of
from bge_rerank.cli.bench.own_process import OwnProcess
from bge_rerank.cli.bench.progress import progress
from bge_rerank.cli.bench.settings import Settings
from bge_rerank.cli.bench.subject import Peak, Run, Subject
from bge_rerank.cli.bench.workload import Workload
from bge_rerank.errors import RerankError

PROCESS_BYTES = 400 * 2**20
"""The approximate memory of a process without weights."""
WEIGHTS_A_PROCESS = 2
"""The approximate number of copies of the weights in a process: a second one for loading or for its kernels."""
SHARE_OF_MEMORY = 0.6


@dataclass(slots=True)
class Row:
    """The measurements of one contender on one workload.

    `failure` says why the measurement is incomplete. `batch_size` is the best batch size, if several were
    tried. `cold_starts` has the seconds of each process, and `peaks` the memory of each turn.
    """

    contender: Contender
    failure: str | None = None
    batch_size: int | None = None
    cold_starts: list[float] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    peaks: list[Peak] = field(default_factory=list)
    _process: OwnProcess | None = None

    def take_turn(
        self, settings: Settings, files: Files, workload: Workload, timings: int, *, stays: bool
    ) -> None:
        """Time some calls in the running process or in a new one. Record the error if one occurs."""
        if self.failure:
            return
        try:
            if not self._process:
                self._process = self._start(settings, files, workload)
            self.runs += [self._process.ask("run") for _ in range(timings)]
            self.peaks.append(self._process.ask("peak"))
        except RerankError as error:
            self.failure = failure_of(error)
        if self.failure or not stays:
            self.close()

    def close(self) -> None:
        """End the process if it runs."""
        if self._process:
            self._process.close()
            self._process = None

    def _start(self, settings: Settings, files: Files, workload: Workload) -> OwnProcess:
        def subject(batch_size: int | None = None) -> OwnProcess:
            return OwnProcess(
                partial(Subject, batch_size=batch_size),
                self.contender,
                files.folder(self.contender),
                files.max_length,
                workload,
                settings.device,
                threads=settings.threads,
                sees_gpus=settings.device != "cpu",
            )

        if self.contender.batch_sizes and self.batch_size is None:
            # In a separate process, because memory of large batches would hide the memory of later calls.
            with subject() as tried:
                self.batch_size = tried.ask("best_batch_size", self.contender.batch_sizes)
        process = subject(self.batch_size)
        self.cold_starts.append(process.ask("cold_start"))
        return process


def measure_rows(
    settings: Settings,
    contenders: Sequence[Contender],
    workload: Workload,
    files: Files,
    measure_rates: Callable[[], Mapping[str, float]],
) -> tuple[list[Row], dict[str, float]]:
    """Let all contenders take turns, in alternating order.

    If all processes fit into memory together, they stay for all rounds. Otherwise each contender starts
    a new process for each half of the rounds. After each pass over all contenders, `measure_rates` is
    called.

    Returns:
        One row for each contender, in order, and the median matrix-multiply rate of each precision.
    """
    rows = [Row(contender, files.failures.get(contender.export)) for contender in contenders]
    stays = fit_together(len(rows), files)
    passes = timings_by_pass(settings.rounds, stays=stays)
    rates: list[Mapping[str, float]] = []
    try:
        with progress(len(passes) * len(rows)) as tick:
            for number, timings in enumerate(passes):
                for row in rows if number % 2 == 0 else rows[::-1]:
                    tick(f"{workload.name}: {row.contender.name}")
                    row.take_turn(settings, files, workload, timings, stays=stays)
                rates.append(measure_rates())
    finally:
        for row in rows:
            row.close()
    return rows, _medians(rates)


def timings_by_pass(rounds: int, *, stays: bool) -> list[int]:
    """Return the number of timed calls of each contender in each pass over all contenders.

    >>> timings_by_pass(5, stays=True), timings_by_pass(5, stays=False)
    ([1, 1, 1, 1, 1], [3, 2])
    """
    if stays or rounds == 1:
        return [1] * rounds
    return [rounds - rounds // 2, rounds // 2]


def fit_together(processes: int, files: Files) -> bool:
    """Return whether all contenders fit into the machine's memory together."""
    needed = processes * (PROCESS_BYTES + WEIGHTS_A_PROCESS * files.bytes_of_weights)
    return needed <= SHARE_OF_MEMORY * int(psutil.virtual_memory().total)


def _medians(measured: Iterable[Mapping[str, float]]) -> dict[str, float]:
    rates: dict[str, list[float]] = {}
    for measurement in measured:
        for precision, rate in measurement.items():
            rates.setdefault(precision, []).append(rate)
    return {precision: median(values) for precision, values in rates.items()}
