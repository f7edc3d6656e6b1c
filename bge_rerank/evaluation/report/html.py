"""An evaluation as a page that is whole in itself: no script, and nothing that a network brings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from bge_rerank.evaluation.report.palette import PALETTE, series
from bge_rerank.evaluation.report.plots import depth_plot, gain_plot, latency_plot
from bge_rerank.evaluation.report.story import TITLE, tell
from bge_rerank.evaluation.report.wording import COUNT_HEADINGS, DEPTH_HEADINGS, HEADINGS, NOT_GIVEN
from bge_rerank.evaluation.result import Evaluation

SMALLEST_LIMIT = 0.1
"""How far the axis of gains reaches at least."""


def as_html(evaluation: Evaluation) -> str:
    """Return the page. What comes from the data is escaped, and stands in no picture."""
    return _template().render(
        title=TITLE,
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
    """Return the template, which escapes all but `Markup`."""
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
    """Return the settings of all models, and a table of each model's own."""
    shared = {name: value for name, value in settings.items() if name != "models"}
    own = {name: settings_rows(model) for name, model in settings.get("models", {}).items()}
    names = dict.fromkeys(name for rows in own.values() for name in rows)
    return {
        "shared": settings_rows(shared),
        "models": list(own),
        "rows": {name: [rows.get(name, NOT_GIVEN) for rows in own.values()] for name in names},
    }


def settings_rows(settings: Mapping[str, Any], of: str = "") -> dict[str, str]:
    """Name each setting, those inside others with their names in front; what is `None` is left out.

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


def _plots(evaluation: Evaluation) -> dict[str, Any] | None:
    """Return the pictures; none where there are too few queries for means."""
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
