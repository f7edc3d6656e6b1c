"""Compute the figures of a table from the timed calls: rates, ratios, and agreement with the reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from bge_rerank.cli.bench.contenders import REFERENCE
from bge_rerank.cli.bench.rows import Row
from bge_rerank.logits import to_logit

REFERENCES = (REFERENCE, "bge-rerank torch float32")
"""The scores of the first of these contenders that was measured are the reference for all other scores."""
HIGHEST = 30.0
"""The logit for a score of 1.0. In float32, every logit above about 17 has this score."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one contender. A missing figure is `None`.

    Attributes:
        failure: Why it was not measured: "not installed: …" or "failed: …".
        batch_size: The best batch size, if several were tried.
        seconds: The time of every timed call.
        rate: Pairs per second: the median of the calls.
        slowest: Pairs per second of the slowest call.
        fastest: Pairs per second of the fastest call.
        to_reference: The rate divided by the rate of `FlagReranker`.
        to_fastest_peer: The rate divided by the rate of the fastest other package, in any precision.
        matmul_share: The operations per second of the forward pass, divided by the machine's
            matrix-multiply rate in the same precision (0..1).
        peak_bytes: The maximum memory of its process. Unknown for a server.
        above_weights_bytes: The maximum memory during calls, minus the memory before the first call.
        cold_start: Seconds from importing its libraries to the first answer.
        difference: The largest difference of a logit from the reference, in any call.
        tau: Kendall's tau between its order and the reference's order: the lowest of all calls.
    """

    name: str
    is_ours: bool
    precision: str | None
    failure: str | None = None
    batch_size: int | None = None
    seconds: tuple[float, ...] = ()
    rate: float | None = None
    slowest: float | None = None
    fastest: float | None = None
    to_reference: float | None = None
    to_fastest_peer: float | None = None
    matmul_share: float | None = None
    peak_bytes: int | None = None
    above_weights_bytes: int | None = None
    cold_start: float | None = None
    difference: float | None = None
    tau: float | None = None


def figures_of(rows: Sequence[Row], flops: int, rates: Mapping[str, float]) -> list[Figures]:
    """Return the figures of all rows of a workload.

    Args:
        rows: The measured rows.
        flops: The operations of a forward pass over the workload.
        rates: The machine's operations per second, by precision.
    """
    measured = {row.contender.name: row for row in rows if not row.failure}
    reference = next(
        (measured[name].runs[-1].scores for name in REFERENCES if name in measured), None
    )
    seconds = {name: _median_seconds(row) for name, row in measured.items()}
    peers = [seconds[name] for name, row in measured.items() if not row.contender.is_ours]
    return [
        _figures(
            row,
            flops,
            rates,
            reference_seconds=seconds.get(REFERENCE),
            peer_seconds=min(peers, default=None),
            reference=reference,
        )
        for row in rows
    ]


def logits_of(scores: Sequence[float], scale: str) -> list[float]:
    """Return the logits of scores on the scale `"logit"` or `"sigmoid"`.

    >>> logits_of([0.5, 1.0], "sigmoid")
    [0.0, 30.0]
    """
    if scale == "logit":
        return list(scores)
    return [min(max(to_logit(score), -HIGHEST), HIGHEST) for score in scores]


def largest_difference(logits: Sequence[float], reference: Sequence[float]) -> float:
    """Return the largest difference between two lists of logits in the same order."""
    return max(abs(one - other) for one, other in zip(logits, reference, strict=True))


def kendall(scores: Sequence[float], reference: Sequence[float]) -> float | None:
    """Return Kendall's tau of two orders: 1 for the same order, -1 for the opposite, `None` if all scores are equal.

    >>> kendall([3.0, 2.0, 1.0], [0.9, 0.5, 0.1])
    1.0
    """
    from scipy.stats import kendalltau

    tau = float(kendalltau(scores, reference).statistic)
    return None if math.isnan(tau) else round(tau, 6)


def _figures(
    row: Row,
    flops: int,
    rates: Mapping[str, float],
    *,
    reference_seconds: float | None,
    peer_seconds: float | None,
    reference: Sequence[float] | None,
) -> Figures:
    contender = row.contender
    shown = Figures(contender.name, contender.is_ours, contender.precision, row.failure)
    if row.failure:
        return shown
    typical = _median_seconds(row)
    seconds = tuple(run.seconds for run in row.runs)
    depth = len(row.runs[0].scores)
    rate = rates.get(contender.precision or "")
    peaks = [] if contender.is_server else row.peaks
    difference, tau = (None, None) if reference is None else _agreement(row, reference)
    return replace(
        shown,
        batch_size=row.batch_size,
        seconds=seconds,
        rate=depth / typical,
        slowest=depth / max(seconds),
        fastest=depth / min(seconds),
        to_reference=reference_seconds and reference_seconds / typical,
        to_fastest_peer=peer_seconds and peer_seconds / typical,
        matmul_share=rate and flops / typical / rate,
        peak_bytes=max((peak.total for peak in peaks), default=None),
        above_weights_bytes=max((peak.above_weights for peak in peaks), default=None),
        cold_start=median(row.cold_starts),
        difference=difference,
        tau=tau,
    )


def _agreement(row: Row, reference: Sequence[float]) -> tuple[float, float | None]:
    """Return the largest difference of a logit and the lowest tau of all calls."""
    logits = [logits_of(run.scores, row.contender.scale) for run in row.runs]
    taus = [kendall(run.scores, reference) for run in row.runs]
    return (
        max(largest_difference(each, reference) for each in logits),
        min((tau for tau in taus if tau is not None), default=None),
    )


def _median_seconds(row: Row) -> float:
    return median(run.seconds for run in row.runs)
