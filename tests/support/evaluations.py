"""Evaluations to report: one of generated queries, and one whose texts are all replaced."""

from dataclasses import replace
from typing import Any

from bge_rerank.evaluation import (
    DepthPoint,
    Evaluation,
    Latency,
    Loss,
    ModelResult,
    ModelRun,
    Run,
    Shown,
    evaluate,
)
from counted_scorer import Counted
from labelled_queries import Told, labelled_queries

MARKUP = "</script></svg><img src=//elsewhere onerror='document.title = 1'>&amp; {{ 7 * 7 }} $x^2$"


def shortest_first(passage: str) -> float:
    """Rank wrongly: the passage that answers is longer than the others."""
    return -float(len(passage))


def small_evaluation(queries: int = 40) -> Evaluation:
    models = {"told": Told(), "short": Counted(shortest_first)}
    return evaluate(labelled_queries(queries), models, k=3, latency_budget_ms=20, depths=[])


def with_depths(evaluation: Evaluation) -> Evaluation:
    """Give each model results at three depths, of which one has a latency."""
    return replace(evaluation, models=tuple(map(_with_depths, evaluation.models)))


def _with_depths(model: ModelResult) -> ModelResult:
    change, parts = model.changes[0], ((2, 0.4), (3, 0.8), (6, 1.0))
    depths = [
        DepthPoint(
            depth,
            change.before + part * change.difference,
            part * change.low,
            part * change.high,
            Latency(1.5, 2.5) if depth == 2 else None,
        )
        for depth, part in parts
    ]
    return replace(model, depths=tuple(depths), recommended_depth=3)


def with_texts(evaluation: Evaluation, text: str) -> Evaluation:
    """Put a text wherever a text can come from the data or the settings."""
    shown = Shown(text, text)
    loss = Loss(text, text, -0.5, shown, shown)
    models = [
        replace(
            model,
            name=f"{text}{number}",
            worst=(loss, replace(loss, after=None)),
            verdict=replace(model.verdict, reasons=(text,)),
        )
        for number, model in enumerate(evaluation.models)
    ]
    settings = {text: {text: text}, "models": {model.name: {text: text} for model in models}}
    ran = {model.name: ModelRun(text, files=text) for model in models}
    run = Run(text, text, text, 2, {text: text}, ran)
    return replace(
        evaluation, settings=settings, notes=(text,), models=tuple(models), runs=(run, run)
    )


def without_times(evaluation: Evaluation) -> dict[str, Any]:
    """Return the parts that do not depend on time."""
    contents = evaluation.as_json()
    del contents["runs"]
    for model in contents["models"]:
        del model["latency"], model["verdict"]["reasons"]
        for point in model["depths"]:
            del point["latency"]
    return contents
