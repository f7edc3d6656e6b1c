"""Rows of the benchmark with invented measurements."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from bge_rerank.cli.bench.contenders import Contender
from bge_rerank.cli.bench.rows import Row
from bge_rerank.cli.bench.subject import Peak, Run

SCORES = [2.0, 0.0, -1.0, 1.0]


def build(_folder: Path, _max_length: int, _device: str) -> Callable[..., list[float]]:
    raise AssertionError("no row of these tests is started")


def measured_row(
    name: str,
    seconds: list[float],
    scores: list[list[float]] | None = None,
    *,
    ours: bool = False,
    scale: Literal["logit", "sigmoid"] = "logit",
) -> Row:
    """Return a row with one call for each number of seconds."""
    contender = Contender(name, build, "float32", scale=scale, is_ours=ours)
    runs = [
        Run(taken, given)
        for taken, given in zip(seconds, scores or [SCORES] * len(seconds), strict=True)
    ]
    return Row(contender, cold_starts=[2.0], runs=runs, peaks=[Peak(300, 100), Peak(200, 150)])


def failed_row(name: str, failure: str) -> Row:
    """Return a row that was not measured."""
    return Row(Contender(name, build, "float32"), failure=failure)
