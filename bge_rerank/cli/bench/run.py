"""Run the two benchmarks: contenders side by side, and time and memory by the number of pairs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from bge_rerank.cli.bench.contenders import Contender
from bge_rerank.cli.bench.files import Files, make_files
from bge_rerank.cli.bench.machine import describe_machine
from bge_rerank.cli.bench.matmul import MatmulRates
from bge_rerank.cli.bench.measurement import Measurement, measure, measure_growth
from bge_rerank.cli.bench.own_process import OwnProcess
from bge_rerank.cli.bench.presentation import (
    comparison_table,
    draw_comparison,
    draw_growth,
    footnote,
    growth_table,
)
from bge_rerank.cli.bench.settings import Settings
from bge_rerank.cli.bench.workload import Workload

COLUMNS = 170
"""The width of a table if standard output is not a terminal."""


def compare(
    settings: Settings, contenders: Sequence[Contender], workloads: Sequence[Workload]
) -> list[Measurement]:
    """Measure contenders side by side, print a table for each workload, and write `<name>.json` and `.png`.

    The files are written after each workload, so an interrupted run keeps the finished workloads.

    Raises:
        RerankError: The model could not be found, read or built.
    """
    console = _console()
    title, device, threads = settings.title, settings.device, settings.threads
    measured: list[Measurement] = []
    with make_files(settings, contenders) as files:
        widths = (files.config["hidden_size"], files.config["intermediate_size"])
        with OwnProcess(
            MatmulRates, *widths, device, threads=threads, sees_gpus=device != "cpu"
        ) as rates:
            measure_rates = partial(rates.ask, "measure")
            for workload in workloads:
                measurement = measure(settings, contenders, workload, files, measure_rates)
                measured.append(measurement)
                console.print(comparison_table(f"{title}, {measurement.name}", measurement.rows))
                console.print(footnote(measurement))
                _write_comparison(settings, files, measured)
    return measured


def grow(
    settings: Settings, contenders: Sequence[Contender], length: str, sizes: Sequence[int]
) -> None:
    """Measure time and memory by the number of pairs, print a table, and write `<name>-growth.json` and `.png`.

    Raises:
        RerankError: The model could not be found, read or built.
    """
    with make_files(settings, contenders) as files:
        rows = measure_growth(settings, contenders, length, sizes, files)
    _console().print(growth_table(f"{settings.title}, {length} passages", rows))
    draw_growth(settings.title, rows, _path(settings, "-growth.png"))
    contents = {"length": length, "growth": [asdict(row) for row in rows]}
    _write_json(settings, files, contents, "-growth.json")


def _write_comparison(settings: Settings, files: Files, measured: Sequence[Measurement]) -> None:
    panels = {measurement.name: measurement.rows for measurement in measured}
    draw_comparison(settings.title, panels, _path(settings, ".png"))
    contents = {"workloads": [measurement.as_json() for measurement in measured]}
    _write_json(settings, files, contents, ".json")


def _write_json(settings: Settings, files: Files, contents: dict[str, Any], ending: str) -> None:
    what = {
        "model": settings.geometry or settings.model_name,
        "random_weights": settings.geometry is not None,
        "max_length": files.max_length,
        "rounds": settings.rounds,
        "threads": settings.threads,
        "machine": describe_machine(settings.device),
    }
    text = json.dumps(what | contents, indent=1)
    _path(settings, ending).write_text(text + "\n", encoding="utf-8")


def _path(settings: Settings, ending: str) -> Path:
    settings.output.mkdir(parents=True, exist_ok=True)
    return settings.output / f"{settings.name}{ending}"


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=COLUMNS)
