"""The server answers every request as its OpenAPI page says."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from bge_rerank import load_scorer
from bge_rerank.server.app import create_app
from bge_rerank.server.options import ServerOptions


@pytest.fixture
def operations(mini: Path) -> list[Any]:
    """Return the routes of the page. Only this test imports the package that reads it."""
    import schemathesis

    scorer = load_scorer("mini", "torch").loaded()
    scorer.score([("q", "a")])  # the timeout of the first request is 10 seconds
    app = create_app(scorer, ServerOptions(model_name="mini"))
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    return [found.ok() for found in schema.get_all_operations()]


def test_every_answer_matches_the_openapi_page(
    operations: list[Any], subtests: pytest.Subtests
) -> None:
    for operation in operations:

        @given(operation.as_strategy())
        @settings(max_examples=25, deadline=None, derandomize=True)
        def answers_match(case: Any) -> None:
            case.call_and_validate()

        with subtests.test(operation.label):
            answers_match()
    assert len(operations) > 5
