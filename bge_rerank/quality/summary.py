"""`summarise`: from the numbers of the queries to an `Evaluation`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, quantiles
from typing import Any

from bge_rerank.quality.agreement import disagreement_notes, mean_agreement
from bge_rerank.quality.measures import measure_names
from bge_rerank.quality.paired import bootstrap_interval, randomisation_p_value
from bge_rerank.quality.result import Change, Evaluation, Latency, ModelResult, Verdict
from bge_rerank.quality.tally import Tally
from bge_rerank.quality.verdict import TIGHT_BUDGET_MS, Demands, decide, too_little_data

SMALL_CORPUS = 1_000
"""Passages; on a larger corpus the first stage has more to confuse, and the gain is another."""


def summarise(
    tally: Tally, settings: Mapping[str, Any], k: int, depth: int, demands: Demands
) -> Evaluation:
    """Compute means, intervals, tests and verdicts.

    Args:
        tally: The numbers of the queries.
        settings: What was measured and how.
        k: How many of the first passages the measures look at.
        depth: The most candidates that were reranked.
        demands: What the figures are measured against.
    """
    models = tuple(_model_result(tally, model, k, demands) for model in tally.after)
    return Evaluation(
        settings=settings,
        k=k,
        depth=depth,
        queries=len(tally),
        relevant=tally.relevant,
        found=tally.found,
        notes=(*_notes(demands), *disagreement_notes(models)),
        models=models,
    )


def _model_result(tally: Tally, model: str, k: int, demands: Demands) -> ModelResult:
    differences = tally.differences(model)
    changes, latency, verdict = _judged(tally, model, k, demands)
    return ModelResult(
        name=model,
        verdict=verdict,
        changes=changes,
        latency=latency,
        wins=sum(difference > 0 for difference in differences),
        losses=sum(difference < 0 for difference in differences),
        ties=sum(difference == 0 for difference in differences),
        worst=tuple(tally.worst(model)),
        differences=tuple(differences),
        milliseconds=tuple(tally.milliseconds[model]),
        # Where there are too few queries, there are no changes either.
        agreement=mean_agreement(tally.shares[model], tally.correlations[model])
        if changes
        else None,
    )


def _judged(
    tally: Tally, model: str, k: int, demands: Demands
) -> tuple[tuple[Change, ...], Latency | None, Verdict]:
    """Return the figures and the verdict; no figures where the data cannot carry them."""
    lacking = too_little_data(len(tally), tally.found)
    if lacking:
        return (), None, Verdict("not enough data", (lacking,))
    changes = [_change(tally, model, place, name) for place, name in enumerate(measure_names(k))]
    latency = _latency(tally.milliseconds[model])
    return tuple(changes), latency, decide(changes[0], latency, k, demands)


def _change(tally: Tally, model: str, place: int, name: str) -> Change:
    differences = tally.differences(model, place)
    low, high = bootstrap_interval(differences)
    return Change(
        measure=name,
        before=fmean(tally.before[place]),
        after=fmean(tally.after[model][place]),
        difference=fmean(differences),
        low=low,
        high=high,
        p_value=randomisation_p_value(differences),
    )


def _latency(milliseconds: Sequence[float]) -> Latency:
    parts = quantiles(milliseconds, n=100, method="inclusive")
    return Latency(p50=parts[49], p95=parts[94])


def _notes(demands: Demands) -> list[str]:
    notes = []
    budget, size = demands.latency_budget_ms, demands.corpus_size
    if budget is not None and budget < TIGHT_BUDGET_MS:
        notes.append(
            f"a budget of {budget:g} ms is tight: under {TIGHT_BUDGET_MS:g} ms, a cross-encoder has "
            "time for a few passages only, unless it is small or has an accelerator"
        )
    if size is not None and size < SMALL_CORPUS:
        notes.append(f"the corpus has {size} passages; with more of them the gain may be another")
    return notes
