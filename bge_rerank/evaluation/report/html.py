"""The HTML report: one file without scripts, which needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from bge_rerank.evaluation.report.palette import PALETTE, series
from bge_rerank.evaluation.report.plots import depth_plot, gain_plot, latency_plot
from bge_rerank.evaluation.report.story import MEASURED, TITLE, tell
from bge_rerank.evaluation.report.wording import (
    COUNT_HEADINGS,
    DEPTH_HEADINGS,
    HEADINGS,
    NOT_GIVEN,
    settings_rows,
)
from bge_rerank.evaluation.result import Evaluation

SMALLEST_LIMIT = 0.1
"""The least that the axis of gains reaches, on both sides."""


def as_html(evaluation: Evaluation) -> str:
    """Return the page. Texts from the data are escaped, and no picture holds them."""
    return _template().render(
        title=TITLE,
        measured=MEASURED,
        story=tell(evaluation),
        headings=HEADINGS,
        count_headings=COUNT_HEADINGS,
        depth_headings=DEPTH_HEADINGS,
        settings=_settings(evaluation.settings),
        plots=_plots(evaluation),
        palette=PALETTE,
        series=[series(number) for number in range(len(evaluation.models))],
        evaluation=evaluation,
    )


@cache
def _template() -> Template:
    """Return the template, which escapes everything but `Markup`."""
    environment = Environment(
        loader=PackageLoader("bge_rerank", "evaluation/report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html.jinja")


def _settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the evaluation, and those of each model side by side."""
    shared = {name: value for name, value in settings.items() if name != "models"}
    own = {name: settings_rows(model) for name, model in settings.get("models", {}).items()}
    names = dict.fromkeys(name for rows in own.values() for name in rows)
    return {
        "shared": settings_rows(shared),
        "models": list(own),
        "rows": {name: [rows.get(name, NOT_GIVEN) for rows in own.values()] for name in names},
    }


def _plots(evaluation: Evaluation) -> dict[str, Any] | None:
    """Return the pictures; `None` with too few queries for means."""
    models = evaluation.models
    if not models or not all(model.changes for model in models):
        return None
    furthest = max(abs(difference) for model in models for difference in model.differences)
    limit = 1.05 * max(furthest, SMALLEST_LIMIT)
    measure = models[0].changes[0].measure
    return {
        "measure": measure,
        "before": f"{models[0].changes[0].before:.3f}",
        "depth": depth_plot(models),
        "gains": [
            gain_plot(model.differences, f"gain-{number}", limit, measure)
            for number, model in enumerate(models, 1)
        ],
        "latency": latency_plot(models),
    }
