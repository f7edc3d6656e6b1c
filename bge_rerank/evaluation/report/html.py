"""An evaluation as a page that is whole in itself: no script, and nothing that a network brings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from bge_rerank.evaluation.report.depth_plot import depth_plot
from bge_rerank.evaluation.report.gain_plot import gain_plot
from bge_rerank.evaluation.report.latency_plot import latency_plot
from bge_rerank.evaluation.report.palette import PALETTE
from bge_rerank.evaluation.report.series import series
from bge_rerank.evaluation.report.settings_rows import settings_rows
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
