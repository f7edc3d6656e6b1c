"""`write_reports`: write an evaluation as JSON, Markdown and HTML."""

from __future__ import annotations

import json
from pathlib import Path

from bge_rerank.errors import InvalidInputError
from bge_rerank.evaluation.report.markdown import as_markdown
from bge_rerank.evaluation.result import Evaluation
from bge_rerank.extras import needs_extra
from bge_rerank.inputs import without_lone_surrogates

with needs_extra("evaluate", "the report"):
    from bge_rerank.evaluation.report.html import as_html

JSON_FILE = "evaluation.json"
MARKDOWN_FILE = "evaluation.md"
HTML_FILE = "evaluation.html"


def write_reports(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write the reports, and return their paths: JSON, Markdown, HTML.

    Raises:
        InvalidInputError: The folder cannot be written.
    """
    contents = {
        folder / JSON_FILE: json.dumps(evaluation.as_json(), indent=1) + "\n",
        folder / MARKDOWN_FILE: as_markdown(evaluation),
        folder / HTML_FILE: as_html(evaluation),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in contents.items():
            path.write_text(without_lone_surrogates(text), encoding="utf-8")
    except OSError as error:
        raise InvalidInputError(
            f"cannot write to {str(folder)!r} ({error.strerror}); choose another output"
        ) from error
    return list(contents)
