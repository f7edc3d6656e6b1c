"""`write_reports`: an evaluation as JSON and Markdown, beside the numbers of its queries."""

from __future__ import annotations

import json
from pathlib import Path

from bge_rerank.errors import InvalidInputError
from bge_rerank.quality.markdown import as_markdown
from bge_rerank.quality.result import Evaluation

JSON_FILE = "evaluation.json"
MARKDOWN_FILE = "evaluation.md"


def write_reports(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write the JSON and the Markdown report, and return where they are.

    Raises:
        InvalidInputError: The folder cannot be written.
    """
    contents = {
        folder / JSON_FILE: json.dumps(evaluation.as_json(), indent=1) + "\n",
        folder / MARKDOWN_FILE: as_markdown(evaluation),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in contents.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidInputError(f"cannot write to {str(folder)!r}: {error.strerror}") from error
    return list(contents)
