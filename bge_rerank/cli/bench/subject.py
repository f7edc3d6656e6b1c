"""A contender that is loaded, warmed up and timed, in a separate process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from bge_rerank.cli.bench.contenders import Contender
from bge_rerank.cli.bench.memory import memory_of
from bge_rerank.cli.bench.workload import Workload

WARM_UP_DOCUMENTS = 8
TRIES = {"cpu": 1, "cuda": 2}
"""The number of calls with each batch size, by the kind of device. The fastest call counts. On CUDA the first
call with a size is slow, because it allocates memory and loads kernels."""


@dataclass(frozen=True, slots=True)
class Run:
    """The wall time of a call, and its scores in input order."""

    seconds: float
    scores: list[float]


@dataclass(frozen=True, slots=True)
class Peak:
    """The memory of a contender in bytes, on the device where it computes.

    Attributes:
        total: The peak, loading included.
        above_weights: The peak during calls, minus the memory after the first answer (weights and
            libraries).
    """

    total: int
    above_weights: int


class Subject:
    """A contender that is loaded and ready to rank one workload."""

    def __init__(
        self,
        contender: Contender,
        folder: Path,
        max_length: int,
        workload: Workload,
        device: str,
        *,
        batch_size: int | None = None,
    ) -> None:
        """Load the contender, answer once, and warm up.

        Args:
            contender: The contender.
            folder: The folder of the weights, or of the export that the contender reads.
            max_length: The maximum length of a pair in tokens.
            workload: The texts to rank.
            device: Torch's name of the device.
            batch_size: The batch size. `None` takes the contender's default.

        Raises:
            ImportError: A module that it needs is missing.
        """
        self._workload = workload
        self._tries = TRIES[device.partition(":")[0]]
        self._options = {} if batch_size is None else {"batch_size": batch_size}
        started = time.perf_counter()
        for module in contender.modules:
            import_module(module)
        self._rank = contender.build(folder, max_length, device)
        self.run(1)
        self._cold_start = time.perf_counter() - started
        self._memory = memory_of(device)
        self._loading_peak = self._memory.peak()
        self._memory.forget_peak()
        self._before = self._memory.held()
        self.run(WARM_UP_DOCUMENTS)

    def cold_start(self) -> float:
        """Return the seconds from importing its libraries to its first answer, of one document."""
        return self._cold_start

    def best_batch_size(self, batch_sizes: Sequence[int]) -> int:
        """Return the fastest batch size. Each ranks the documents of two batches of the largest size.

        The memory measured after this is wrong.
        """

        def seconds(batch_size: int) -> float:
            self._options = {"batch_size": batch_size}
            return min(self.run(2 * max(batch_sizes)).seconds for _ in range(self._tries))

        return min(batch_sizes, key=seconds)

    def run(self, count: int | None = None) -> Run:
        """Rank the first `count` documents once, or all documents."""
        documents = self._workload.documents[:count]
        started = time.perf_counter()
        scores = self._rank(self._workload.query, documents, **self._options)
        return Run(time.perf_counter() - started, [float(score) for score in scores])

    def peak(self) -> Peak:
        """Return the memory of loading and of the calls so far."""
        calls = self._memory.peak()
        return Peak(max(self._loading_peak, calls), max(0, calls - self._before))
