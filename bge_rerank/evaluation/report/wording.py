"""The wording of all reports: headings, cells and sentences."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bge_rerank.evaluation.agreement import FIRST, WITHIN
from bge_rerank.evaluation.measuring import FIRST_TIMED, TIMED_EVERY
from bge_rerank.evaluation.result import (
    Agreement,
    Change,
    Evaluation,
    Latency,
    ModelResult,
    ModelRun,
    Run,
)
from bge_rerank.evaluation.verdict import ENOUGH_QUERIES

HEADINGS = ("", "before", "after", "difference", "95 % interval", "p")
COUNT_HEADINGS = ("better", "worse", "same", "p50 ms", "p95 ms")
DEPTH_HEADINGS = ("depth", "after", "difference", "95 % interval", "p50 ms", "p95 ms", "advice")
NOT_GIVEN = "-"
SHOWN_CHARACTERS = 160
"""The most characters of a text that a report shows."""


def cells(change: Change) -> tuple[str, ...]:
    """Return the row of a change under `HEADINGS`.

    >>> cells(Change("nDCG@10", 0.5, 0.6, 0.1, 0.05, 0.15, 0.0001))
    ('nDCG@10', '0.500', '0.600', '+0.100', '+0.050 to +0.150', '<0.001')
    """
    p_value = "<0.001" if change.p_value < 0.001 else f"{change.p_value:.3f}"  # noqa: PLR2004
    return (
        change.measure,
        f"{change.before:.3f}",
        f"{change.after:.3f}",
        f"{change.difference:+.3f}",
        f"{change.low:+.3f} to {change.high:+.3f}",
        p_value,
    )


def count_cells(model: ModelResult) -> tuple[str, ...]:
    """Return the row of a model under `COUNT_HEADINGS`."""
    counts = (model.wins, model.losses, model.ties)
    return (*map(str, counts), *_latency_cells(model.latency))


def depth_rows(model: ModelResult) -> tuple[tuple[str, ...], ...]:
    """Return a row under `DEPTH_HEADINGS` for each depth; no rows if there is only one depth.

    The interval is that of the difference. The last cell marks the recommended depth.
    """
    if len(model.depths) < 2:  # noqa: PLR2004 - one depth has nothing to compare with
        return ()
    return tuple(
        (
            str(point.depth),
            f"{point.after:.3f}",
            f"{point.after - model.changes[0].before:+.3f}",
            f"{point.low:+.3f} to {point.high:+.3f}",
            *_latency_cells(point.latency),
            "recommended" if point.depth == model.recommended_depth else "",
        )
        for point in model.depths
    )


def depths_line(model: ModelResult) -> str:
    """Explain the rows of `depth_rows`."""
    said = (
        "Results by depth: only the first candidates are reranked, up to the depth; the others follow "
        "in the first stage's order."
    )
    if not model.depths or model.depths[0].latency is None:
        return said
    timed = f"the first {FIRST_TIMED} queries and one in {TIMED_EVERY} after them"
    return f"{said} Latencies below depth {model.depths[-1].depth} are those of {timed}."


def _latency_cells(latency: Latency | None) -> tuple[str, str]:
    if latency is None:
        return NOT_GIVEN, NOT_GIVEN
    return f"{latency.p50:.1f}", f"{latency.p95:.1f}"


def answer(evaluation: Evaluation) -> str:
    """Say in one line whether to rerank."""
    if evaluation.best:
        return f"Yes: rerank with {evaluation.best.name}{_at_depth(evaluation)}."
    if all(model.verdict.decision == "not enough data" for model in evaluation.models):
        return "There is not enough data to say."
    names = ", ".join(model.name for model in evaluation.models)
    return f"No: reranking with {names} is not worth it on this data."


def data_line(evaluation: Evaluation) -> str:
    """Say how many queries and candidates were measured."""
    measured = (
        f"Queries measured: {evaluation.queries:,}. Depth: up to {evaluation.depth} candidates of each. "
        f"Relevant passages among them: {evaluation.found:,} of {evaluation.relevant:,}."
    )
    if not evaluation.without_relevant:
        return measured
    return (
        f"{measured} Queries without a relevant passage: {evaluation.without_relevant:,}. No ranking can "
        "do well on these, so all means leave them out."
    )


def counts_line(model: ModelResult, k: int) -> str:
    """Say how many queries got better and worse, and the latency if it is known."""
    counted = (
        f"Queries by nDCG@{k}: {model.wins} better, {model.losses} worse, {model.ties} the same"
    )
    if model.latency is None:
        return f"{counted}."
    p50, p95 = model.latency.p50, model.latency.p95
    return f"{counted}. Latency per query: median {p50:.1f} ms, 95th percentile {p95:.1f} ms."


def agreement_line(agreement: Agreement) -> str:
    """Say how far a reranker agrees with the first stage.

    >>> print(agreement_line(Agreement(share=0.8, rank_correlation=0.25)))
    The rank correlation with the first stage's order is +0.25 (1 is the same order). 80.0 % of the reranker's first 10 passages are among the first stage's first 50.
    """
    if agreement.share is None:  # 50 candidates or fewer
        return _correlation(agreement)
    return (
        f"{_correlation(agreement)} {100 * agreement.share:.1f} % of the reranker's first {FIRST} passages "
        f"are among the first stage's first {WITHIN}."
    )


def _correlation(agreement: Agreement) -> str:
    if agreement.rank_correlation is None:
        return (
            "The rank correlation with the first stage's order is unknown, because fewer than "
            f"{ENOUGH_QUERIES} queries kept two passages."
        )
    return (
        f"The rank correlation with the first stage's order is {agreement.rank_correlation:+.2f} "
        "(1 is the same order)."
    )


def verdict_line(model: ModelResult) -> str:
    """Return the verdict with its reasons."""
    return f"{model.verdict.decision}: {'; '.join(model.verdict.reasons)}."


def gain_line(model: ModelResult, k: int) -> str:
    """Say how many queries got better and worse, and the largest change of each."""
    better, worse = f"{model.wins} better", f"{model.losses} worse"
    if model.wins:
        better += f" (largest gain {max(model.differences):+.3f})"
    if model.losses:
        worse += f" (largest loss {min(model.differences):+.3f})"
    return f"Queries by nDCG@{k}: {better}, {worse}, {model.ties} the same."


def shortened(text: str) -> str:
    r"""Return the start of a text, on one line.

    >>> shortened("a\nb")
    'a b'
    """
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[: SHOWN_CHARACTERS - 1]}…"


def settings_rows(settings: Mapping[str, Any], of: str = "") -> dict[str, str]:
    """Return name and value of each setting; a nested setting has the names around it in front.

    Settings that are `None` are left out.

    >>> settings_rows({"k": 10, "data": {"split": "dev"}, "scorer": {"device": None}})
    {'k': '10', 'data.split': 'dev'}
    """
    rows: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            rows |= settings_rows(value, f"{of}{name}.")
        elif value is not None:
            rows[f"{of}{name}"] = value if isinstance(value, str) else json.dumps(value)
    return rows


def run_rows(run: Run) -> tuple[tuple[str, str], ...]:
    """Return name and value of each circumstance of a run.

    >>> run = Run("2026-11-28 10:00 UTC", "data", "Xeon", 2, {"Python": "3.11.7"}, {"m": ModelRun("m")})
    >>> run_rows(run)[2:]
    (('machine', 'Xeon, 2 cores'), ('versions', 'Python 3.11.7'), ('model m', 'm'))
    """
    source = (("data", run.source),) if run.source else ()
    return (
        ("date", run.date),
        *source,
        ("machine", f"{run.cpu}, {run.cores} core{'' if run.cores == 1 else 's'}"),
        ("versions", ", ".join(f"{name} {number}" for name, number in run.versions.items())),
        *((f"model {name}", _model_run(model)) for name, model in run.models.items()),
    )


def _model_run(run: ModelRun) -> str:
    told = {
        "revision": run.revision,
        "backend": run.backend,
        "precision": run.precision,
        "device": run.device,
        "max_length": run.max_length,
        "files": run.files,
    }
    known = (f"{name} {value}" for name, value in told.items() if value is not None)
    return ", ".join([run.model or "unknown", *known])


def _at_depth(evaluation: Evaluation) -> str:
    depth = evaluation.best and evaluation.best.recommended_depth
    return "" if depth in (None, evaluation.depth) else f" at depth {depth}"
