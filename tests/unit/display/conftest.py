"""A ranking whose texts contain HTML tags, `rich` markup and dollar signs."""

import pytest

from bge_rerank import Ranked, Ranking

TEXTS = ["Bread rises.", "The <b>Moon</b> & [red]tides[/red] for $5 or $6", "A tide table."]


@pytest.fixture
def ranking() -> Ranking:
    ranked = [Ranked(1, 0.9, 2.2), Ranked(2, 0.4, -0.4, span=(2, 6)), Ranked(0, 0.0, -9.0)]
    return Ranking(ranked, "what <i>causes</i> [bold]tides", TEXTS)
